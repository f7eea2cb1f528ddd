#include "common/rerun.h"

#include "common/inputs.h"
#include "common/journal/journal.h"
#include "common/journal/state_rows.h"
#include "common/service.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* "N" or "EPOCH:N"; without an epoch it is of the first run that is repeated. */
struct place {
    bool given;
    uint32_t epoch; /* 0: of the first run */
    uint64_t n;
};

struct rerun {
    const struct sp_service_spec *spec;
    const struct sp_rerun_core *host;
    const char *file, *config_dir, *data_dir;
    uint32_t only_epoch; /* 0: all */
    struct place until, break_at;
    bool verbose;
    struct sp_config *config;
    struct sp_inputs *inputs;
    struct sp_journal_reader *journal;
    void *state;
    /* The run. */
    struct sp_input_run run;
    bool in_run, has_state, has_stopped; /* stopped: its END says that the service did */
    bool has_ended;                      /* an END of any sort */
    uint64_t next_seq;
    /* The newest input that was repeated: n is 0 before the first. */
    struct {
        uint64_t n, line;
        char text[SP_INPUT_TEXT_SIZE];
    } at;
    bool journal_ended;          /* nothing of this epoch follows */
    uint64_t missing, missing_n; /* records that the journal has not, and the input of the first */
    /* Of all runs. */
    uint32_t runs;
    uint32_t first_epoch;
    uint64_t input_count, record_count;
    bool done, differs;
    struct sp_effect withdrawn[SP_DECISION_EFFECTS_MAX];
    struct sp_decision decision;
    struct sp_record live;
    struct sp_input input;
    char line[SP_JSON_LINE_MAX];
};

static void print_help(const struct sp_service_spec *spec)
{
    printf("%s --rerun FILE: repeats this service from its recorded inputs\n\n"
           "usage: %s --rerun FILE [-C DIR] [--data DIR] [--epoch E] [--until N] [--break-at N]\n"
           "       [-v]\n\n"
           "The core is made as the service makes it, without sockets, and each input of FILE is\n"
           "given to it. What it records must be the journal that the live service wrote, byte\n"
           "for byte but for checksums and \"w\". FILE is what --record-inputs FILE, or\n"
           "record_inputs of platform.json, has written; it has a run for each start.\n\n"
           "  -C, --config DIR  the configuration it ran with (default: $SPOOR_CONFIG, else\n"
           "                    config/demo)\n"
           "  --data DIR        where the journals are; without it, as the configuration says\n"
           "  --epoch E         only the run of this epoch\n"
           "  --until N         ends after input N; E:N is input N of epoch E\n"
           "  --break-at N      raises SIGTRAP before input N: a debugger stops there\n"
           "  -v                a line for each input, and what it led to\n\n"
           "  gdb --args %s --rerun FILE --break-at 4711\n\n"
           "exit codes: 0 equal, 65 a damaged file, 70 a difference, 64 usage, 78 configuration\n",
           spec->program, spec->program, spec->program);
}

/* ---- Telling ---- */

static void say_where(struct rerun *r, const char *what)
{
    r->differs = true;
    printf("input %" PRIu64 " of epoch %" PRIu32 ": %s\n", r->at.n, r->run.epoch, what);
    printf("  input    %s  (%s, line %" PRIu64 ")\n", r->at.text, r->file, r->at.line);
}

static void say_next(const struct rerun *r)
{
    printf("  look     gdb --args spoor rerun %s %s --break-at %" PRIu32 ":%" PRIu64 "\n",
           r->run.stream.s, r->file, r->run.epoch, r->at.n);
}

static void say_lines(struct rerun *r, const char *live, size_t live_len, size_t len)
{
    size_t at = SP_LINE_CRC_PREFIX;
    char ref[SP_REF_TEXT_SIZE];
    struct sp_ref place = sp_record_ref(&r->live);

    while (at < live_len && at < len && live[at] == r->line[at])
        at++;
    size_t from = at > 24 ? at - 24 : 0;
    say_where(r, "its record is not that of the journal");
    printf("  record   %s\n", sp_ref_format(&place, ref));
    printf("  journal  %.*s\n", (int)live_len, live);
    printf("  rerun    %.*s\n", (int)len, r->line);
    printf("  from     byte %zu: ...%.*s | ...%.*s\n", at,
           (int)(live_len - from < 60 ? live_len - from : 60), live + from,
           (int)(len - from < 60 ? len - from : 60), r->line + from);
    say_next(r);
}

/* ---- Comparing ---- */

/* The next record that the live service wrote in this run. SP_AGAIN: there is none. */
static sp_status read_live(struct rerun *r, struct sp_line_meta *meta, struct sp_err *err)
{
    if (r->journal_ended) return SP_AGAIN;
    sp_status status = sp_journal_reader_next(r->journal, &r->live, meta, err);
    /* A power cut may have taken records back: the next epoch then has their sequences. */
    if (status == SP_OK && r->live.epoch != r->run.epoch) status = SP_AGAIN;
    r->journal_ended = status == SP_AGAIN;
    return status;
}

static sp_status check(struct rerun *r, const struct sp_record *record, uint32_t batch_left,
                       struct sp_err *err)
{
    struct sp_line_meta meta = {0};
    size_t len = 0, live_len = 0;

    sp_status status = read_live(r, &meta, err);
    if (status == SP_AGAIN) {
        if (r->missing++ == 0) r->missing_n = r->at.n;
        return SP_OK;
    }
    if (status != SP_OK) return status;
    const char *live = sp_journal_reader_line(r->journal, &live_len);
    meta.batch_left = batch_left;
    status = sp_json_encode_line(record, &meta, r->line, sizeof r->line, &len);
    if (status != SP_OK) return SP_FAIL(err, status, "a record longer than a line may be");
    r->record_count++;
    if (len != live_len || memcmp(r->line, live, len) != 0) say_lines(r, live, live_len, len);
    return SP_OK;
}

/* What the decision holds becomes records: compared, then applied. */
static sp_status keep(struct rerun *r, struct sp_err *err)
{
    struct sp_decision *decision = &r->decision;
    sp_status status = SP_OK;

    for (uint32_t i = 0; i < decision->record_count && status == SP_OK && !r->differs; i++) {
        const struct sp_record *record = &decision->records[i];
        status = check(r, record, decision->record_count - 1 - i, err);
        if (r->verbose)
            printf("    %s:%" PRIu64 " %s\n", record->stream.s, record->seq,
                   sp_kind_name(record->kind));
    }
    for (uint32_t i = 0; i < decision->record_count; i++)
        r->host->core->apply(r->state, &decision->records[i]);
    r->next_seq += decision->record_count;
    return status;
}

/* ---- The cycle, as the live shell has it (common/shell.c) ---- */

static void begin(struct rerun *r)
{
    const struct sp_event *event = &r->input.event;

    sp_decision_begin(&r->decision);
    r->decision.installation = r->run.installation.s;
    r->decision.stream = r->run.stream;
    r->decision.epoch = r->run.epoch;
    r->decision.next_seq = r->next_seq;
    r->decision.time = event->market.ns != 0 ? event->market : event->wall;
}

static sp_status withdraw_all(struct rerun *r, struct sp_err *err)
{
    const struct sp_core *core = r->host->core;
    uint32_t count = 0;
    sp_status status = SP_OK;

    for (uint32_t i = 0; i < r->decision.effect_count && core->allows != NULL; i++) {
        if (!core->allows(r->state, &r->decision.effects[i]))
            r->withdrawn[count++] = r->decision.effects[i];
    }
    for (uint32_t i = 0; i < count && status == SP_OK && core->withdrawn != NULL; i++) {
        begin(r);
        core->withdrawn(r->state, &r->withdrawn[i], &r->decision);
        status = keep(r, err);
    }
    return status;
}

static sp_status repeat_event(struct rerun *r, struct sp_err *err)
{
    const struct sp_event *event = &r->input.event;
    struct sp_decision *decision = &r->decision;

    begin(r);
    r->host->core->decide(r->state, event, decision);
    if (event->type == SP_EVENT_RECORD && decision->record_count > 0)
        decision->records[decision->record_count - 1].in = sp_record_ref(event->record);
    sp_status status = keep(r, err);
    return status == SP_OK ? withdraw_all(r, err) : status;
}

static sp_status repeat_own(struct rerun *r, struct sp_err *err)
{
    begin(r);
    r->decision.records[0] = r->input.record;
    r->decision.record_count = 1;
    return keep(r, err);
}

static bool is_at(const struct rerun *r, const struct place *place)
{
    uint32_t epoch = place->epoch != 0 ? place->epoch : r->first_epoch;

    return place->given && epoch == r->run.epoch && place->n == r->input.n;
}

/* The live service counted otherwise: the input before led to more records there, or to fewer. */
static sp_status check_sequence(struct rerun *r, struct sp_err *err)
{
    uint64_t live_seq = r->input.next_seq;
    char what[120];
    size_t len = 0;

    if (live_seq == r->next_seq) return SP_OK;
    snprintf(what, sizeof what, "it led to %" PRIu64 " records %s",
             live_seq > r->next_seq ? live_seq - r->next_seq : r->next_seq - live_seq,
             live_seq > r->next_seq ? "that the rerun has not" : "that the journal has not");
    say_where(r, what);
    sp_status status = live_seq > r->next_seq ? read_live(r, NULL, err) : SP_AGAIN;
    if (status == SP_OK) {
        const char *live = sp_journal_reader_line(r->journal, &len);
        printf("  journal  %.*s\n  rerun    none\n", (int)len, live);
    }
    say_next(r);
    return status == SP_AGAIN ? SP_OK : status;
}

static sp_status repeat(struct rerun *r, struct sp_err *err)
{
    sp_status status = check_sequence(r, err);

    if (status != SP_OK || r->differs) return status;
    r->at.n = r->input.n;
    r->at.line = r->input.line;
    sp_input_text(&r->input, r->at.text);
    if (r->verbose) printf("%" PRIu64 " %s\n", r->at.n, r->at.text);
    if (is_at(r, &r->break_at)) raise(SIGTRAP); /* the input is r->input; the core r->state */
    r->input_count++;
    if (r->input.what == SP_INPUT_EVENT) {
        status = repeat_event(r, err);
    } else if (r->input.what == SP_INPUT_OWN) {
        status = repeat_own(r, err);
    } else if (r->host->note != NULL) {
        r->host->note(r->state, &r->input.event);
    }
    if (is_at(r, &r->until)) r->done = true;
    return status;
}

/* ---- Runs ---- */

static sp_status open_journal(struct rerun *r, struct sp_err *err)
{
    char dir[SP_PATH_SIZE + SP_NAME_SIZE + 2];

    if (r->data_dir != NULL) {
        snprintf(dir, sizeof dir, "%s/%s", r->data_dir, r->run.stream.s);
    } else {
        sp_config_instance_dir(r->config, r->run.stream.s, dir);
    }
    return sp_journal_reader_open(dir, &r->run.stream, r->run.next_seq, &r->journal, err);
}

static void close_run(struct rerun *r)
{
    sp_journal_reader_close(r->journal);
    r->journal = NULL;
    if (r->state != NULL) r->host->close(r->state);
    r->state = NULL;
    r->in_run = false;
}

/* What the journal has of this epoch behind the last input. */
static sp_status end_run(struct rerun *r, struct sp_err *err)
{
    uint64_t uncovered = 0;
    sp_status status = SP_OK;

    if (!r->in_run) return SP_OK;
    while (!r->done && !r->differs && status == SP_OK) {
        status = read_live(r, NULL, err);
        uncovered += status == SP_OK;
    }
    if (status != SP_OK && status != SP_AGAIN) return status;
    /* A kill between an input and its records: the one place where they may be missing. */
    bool is_cut = r->missing > 0 && (r->has_ended || r->missing_n != r->at.n);
    if (r->missing > 0 && !is_cut && !r->differs)
        printf("epoch %" PRIu32 ": the process ended at input %" PRIu64
               ", whose records never reached the journal\n",
               r->run.epoch, r->at.n);
    if (is_cut && !r->differs) {
        printf("epoch %" PRIu32 ": the journal ends before input %" PRIu64 " of %" PRIu64
               ": a power cut took records back, or they were lost\n",
               r->run.epoch, r->missing_n, r->at.n);
        r->differs = true;
    }
    if (uncovered > 0) {
        printf("epoch %" PRIu32 ": %" PRIu64
               " more records in the journal, behind the last recorded input%s%s\n",
               r->run.epoch, uncovered, r->has_ended ? ": " : "",
               r->has_ended ? r->input.why.s : "");
        r->differs = r->differs || r->has_stopped;
    }
    close_run(r);
    return SP_OK;
}

static sp_status begin_run(struct rerun *r, struct sp_err *err)
{
    const struct sp_input_run *run = &r->input.run;
    const struct sp_platform *platform = &r->config->platform;

    if (r->only_epoch != 0 && r->runs > 0) {
        r->done = true;
        return SP_OK;
    }
    if (r->spec->instance != NULL ? !sp_name_is(&run->stream, r->spec->instance)
                                  : strncmp(run->stream.s, r->spec->program + strlen("spoor-"),
                                            strlen(r->spec->program) - strlen("spoor-")) != 0)
        return SP_FAIL(err, SP_USAGE, "%.150s holds inputs of %s; %s cannot repeat them", r->file,
                       run->stream.s, r->spec->program);
    if (!sp_name_eq(&run->installation, &platform->installation))
        return SP_FAIL(err, SP_USAGE, "%.150s is of the installation %s, the configuration of %s",
                       r->file, run->installation.s, platform->installation.s);
    if (run->config_crc != sp_inputs_config_crc(r->config))
        fprintf(stderr,
                "note: epoch %" PRIu32 " ran with other configuration files than %s has now\n",
                run->epoch, r->config_dir);
    if (!sp_name_is(&run->build, SPOOR_BUILD))
        fprintf(stderr, "note: epoch %" PRIu32 " was build %s, this is %s\n", run->epoch,
                run->build.s, SPOOR_BUILD);
    r->run = *run;
    r->next_seq = run->next_seq;
    r->missing = r->missing_n = 0;
    memset(&r->at, 0, sizeof r->at);
    snprintf(r->at.text, sizeof r->at.text, "the begin of the run");
    r->journal_ended = r->has_stopped = r->has_ended = r->has_state = false;
    if (r->runs++ == 0) r->first_epoch = run->epoch;
    r->in_run = true;
    sp_status status = r->host->open(r->config, &r->run.stream, &r->state, err);
    return status == SP_OK ? open_journal(r, err) : status;
}

static sp_status load_state(struct rerun *r, struct sp_err *err)
{
    struct sp_rows_reader reader;

    r->has_state = true;
    sp_status status = sp_rows_open(&reader, r->input.state, r->input.state_bytes, err);
    return status == SP_OK ? r->host->core->load(r->state, &reader, err) : status;
}

static sp_status take_line(struct rerun *r, struct sp_err *err)
{
    const struct sp_input *input = &r->input;

    if (input->what == SP_INPUT_RUN) {
        sp_status status = end_run(r, err);
        return status == SP_OK && !r->differs ? begin_run(r, err) : status;
    }
    if (!r->in_run || r->has_ended || r->has_state == (input->what == SP_INPUT_STATE))
        return SP_FAIL(err, SP_CORRUPT, "%.100s: line %" PRIu64 " is out of place", r->file,
                       input->line);
    if (input->what == SP_INPUT_STATE) return load_state(r, err);
    if (input->what != SP_INPUT_END) return repeat(r, err);
    r->has_ended = true;
    r->has_stopped = strcmp(input->why.s, "stopped") == 0;
    return SP_OK;
}

static sp_status repeat_all(struct rerun *r, struct sp_err *err)
{
    sp_status status = sp_inputs_open(r->file, &r->inputs, err);

    if (status == SP_OK && r->only_epoch != 0)
        status = sp_inputs_seek(r->inputs, r->only_epoch, err);
    while (status == SP_OK && !r->done && !r->differs) {
        status = sp_inputs_next(r->inputs, &r->input, err);
        if (status == SP_OK) status = take_line(r, err);
    }
    /* To find nothing equal would be true, and mislead. */
    if (status == SP_AGAIN && r->runs == 0)
        return SP_FAIL(err, SP_CORRUPT,
                       "%.150s holds no run: it is empty, or ends in its first line", r->file);
    if (status == SP_AGAIN || (status == SP_OK && !r->differs)) status = end_run(r, err);
    return status;
}

/* ---- Arguments ---- */

static bool parse_place(const char *text, struct place *out)
{
    char *end = NULL;
    const char *colon = strchr(text, ':');

    *out = (struct place){.given = true};
    if (colon != NULL) {
        out->epoch = (uint32_t)strtoul(text, &end, 10);
        if (end != colon || out->epoch == 0) return false;
        text = colon + 1;
    }
    out->n = strtoull(text, &end, 10);
    return *text != '\0' && *end == '\0' && out->n > 0;
}

static bool parse_option(struct rerun *r, const char *name, const char *value)
{
    char *end = NULL;

    if (strcmp(name, "-C") == 0 || strcmp(name, "--config") == 0) {
        r->config_dir = value;
    } else if (strcmp(name, "--data") == 0) {
        r->data_dir = value;
    } else if (strcmp(name, "--epoch") == 0) {
        r->only_epoch = (uint32_t)strtoul(value, &end, 10);
        return r->only_epoch > 0 && *end == '\0';
    } else if (strcmp(name, "--until") == 0) {
        return parse_place(value, &r->until);
    } else if (strcmp(name, "--break-at") == 0) {
        return parse_place(value, &r->break_at);
    } else {
        return false;
    }
    return true;
}

/* False: *code is the exit code. */
static bool parse_arguments(struct rerun *r, int argc, char **argv, int *code)
{
    const char *program = r->spec->program;

    r->config_dir = getenv("SPOOR_CONFIG");
    if (r->config_dir == NULL) r->config_dir = "config/demo";
    *code = SP_EXIT_USAGE;
    for (int i = 0; i < argc; i++) {
        if (strcmp(argv[i], "--help") == 0) {
            print_help(r->spec);
            *code = SP_EXIT_OK;
            return false;
        }
        if (strcmp(argv[i], "-v") == 0) {
            r->verbose = true;
        } else if (argv[i][0] != '-' && r->file == NULL) {
            r->file = argv[i];
        } else if (i + 1 < argc && parse_option(r, argv[i], argv[i + 1])) {
            i++;
        } else {
            fprintf(stderr, "%s: %s%s%s: not understood (see --rerun --help)\n", program, argv[i],
                    i + 1 < argc ? " " : "", i + 1 < argc ? argv[i + 1] : "");
            return false;
        }
    }
    if (r->file != NULL && r->spec->rerun != NULL) return true;
    fprintf(stderr, "%s: %s\n", program,
            r->spec->rerun == NULL ? "it has no core that could be repeated"
                                   : "which FILE of recorded inputs? (see --rerun --help)");
    return false;
}

static sp_status load_config(struct rerun *r, struct sp_err *err)
{
    struct sp_problems *problems = calloc(1, sizeof *problems);

    if (problems == NULL) return SP_FAIL(err, SP_NO_MEMORY, "problem list");
    sp_status status = sp_config_load(r->config_dir, &r->config, problems);
    if (status != SP_OK) sp_problems_print(problems, STDERR_FILENO);
    if (status != SP_OK)
        status =
            SP_FAIL(err, SP_CONFIG, "%s: %u configuration errors", r->config_dir, problems->errors);
    free(problems);
    return status;
}

static void say_result(const struct rerun *r)
{
    printf("%s%" PRIu64 " inputs, %" PRIu64 " records, %s",
           r->runs == 1 ? "" : "all runs: ", r->input_count, r->record_count,
           r->differs ? "and then they differ" : "equal");
    if (r->runs > 1) printf(" (%" PRIu32 " runs)", r->runs);
    printf("%s\n", r->done && r->until.given ? ", ended as asked" : "");
}

int sp_rerun_main(int argc, char **argv, const struct sp_service_spec *spec)
{
    struct rerun *r = calloc(1, sizeof *r);
    struct sp_err err = {0};
    int code = SP_EXIT_SOFTWARE;

    if (r == NULL) return code;
    r->spec = spec;
    r->host = spec->rerun;
    if (!parse_arguments(r, argc, argv, &code)) {
        free(r);
        return code;
    }
    sp_status status = load_config(r, &err);
    if (status == SP_OK) status = repeat_all(r, &err);
    close_run(r);
    sp_inputs_close(r->inputs);
    sp_config_free(r->config);
    fflush(stdout);
    if (status == SP_OK) {
        say_result(r);
        code = r->differs ? SP_EXIT_SOFTWARE : SP_EXIT_OK;
    } else {
        fprintf(stderr, "%s: %s\n", spec->program, err.text);
        if (r->input_count > 0)
            fprintf(stderr, "equal up to here: %" PRIu64 " inputs, %" PRIu64 " records\n",
                    r->input_count, r->record_count);
        code = status == SP_NOT_FOUND ? SP_EXIT_USAGE : sp_status_exit_code(status);
    }
    free(r);
    return code;
}
