/* The order of starting is the order of the header's first line: nothing is shared before the role
 * is held, nothing is sent before the journal is recovered, nothing is READY before init says so.
 *
 * Stopping waits for the service's own `stop` (flatten, flush) up to a deadline, then seals the
 * journal and ends. The sockets are closed without zmq_ctx_term: it can hang on a dead peer.
 */
#include "common/service.h"

#include "common/consumers.h"
#include "common/failpoint.h"
#include "common/notify.h"
#include "common/persist/persistor_factory.h"
#include "common/rerun.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#define PROGRESS_EVERY_NS (250 * SP_NS_PER_MS)
#define READY_EVERY_NS    (50 * SP_NS_PER_MS)
#define STOP_EVERY_NS     (10 * SP_NS_PER_MS)
#define STOP_DEADLINE_NS  (15 * SP_NS_PER_S)
#define DISK_EVERY_NS     SP_NS_PER_S
#define LAST_WORDS_NS     SP_NS_PER_S
#define OPEN_FILES_MIN    4096

/* What only this module keeps beside the public struct. */
struct life {
    struct sp_service service;
    const struct sp_service_spec *spec;
    const char *config_dir;
    struct sp_config *config;
    struct sp_timer *ready_timer;
    struct sp_timer *stop_timer;
    int notify_fd;
    uint64_t rounds_told;
    enum sp_phase phase;
    bool ready, stopping, stop_done, whole_operation;
    sp_mono stop_deadline;
    sp_status failure;
    struct sp_metric *loop_rounds;
    struct sp_ballast ballast;
    struct sp_file_port journal_port;
    struct sp_record answer; /* scratch: too large for the stack of a callback */
};

static struct life *life_of(struct sp_service *service)
{
    return (struct life *)(void *)((char *)service - offsetof(struct life, service));
}

static void print_help(const struct sp_service_spec *spec)
{
    printf("%s - %s\n\n"
           "usage: %s [-C DIR] [--instance NAME] [--record-inputs FILE]\n"
           "       %s --rerun FILE ...    see --rerun --help\n\n"
           "  -C, --config DIR      folder with platform.json and operation.json\n"
           "                        (default: $SPOOR_CONFIG, else config/demo)\n"
           "  --instance NAME       which instance this is%s%s\n"
           "  --record-inputs FILE  appends all that enters its core to FILE, for spoor rerun\n"
           "                        (default: record_inputs of platform.json)\n"
           "  --help                this text\n\n"
           "The supervisor starts it (`spoor up`); started by hand it joins the running system.\n"
           "exit codes: 0 stopped, 64 usage, 65 damaged data, 70 software, 74 storage,\n"
           "            75 another instance runs, 77 superseded, 78 configuration\n",
           spec->program, spec->about, spec->program, spec->program,
           spec->instance != NULL ? "; default: " : "",
           spec->instance != NULL ? spec->instance : "");
}

/* True if the program is to run; else *code is its exit code. */
static bool parse_arguments(struct life *life, int argc, char **argv, int *code)
{
    const struct sp_service_spec *spec = life->spec;
    const char *instance = spec->instance;

    life->config_dir = getenv("SPOOR_CONFIG");
    if (life->config_dir == NULL) life->config_dir = "config/demo";
    *code = SP_EXIT_USAGE;
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--help") == 0) {
            print_help(spec);
            *code = SP_EXIT_OK;
            return false;
        }
        if (i + 1 == argc) {
            fprintf(stderr, "%s: %s: unknown, or its value is missing (see --help)\n",
                    spec->program, argv[i]);
            return false;
        }
        if (strcmp(argv[i], "--config") == 0 || strcmp(argv[i], "-C") == 0) {
            life->config_dir = argv[++i];
        } else if (strcmp(argv[i], "--instance") == 0) {
            instance = argv[++i];
        } else if (strcmp(argv[i], "--record-inputs") == 0) {
            life->service.record_inputs = argv[++i];
        } else {
            fprintf(stderr, "%s: %s: unknown option (see --help)\n", spec->program, argv[i]);
            return false;
        }
    }
    if (instance == NULL || !sp_name_set(&life->service.instance, instance)) {
        fprintf(stderr, "%s: --instance NAME is needed, for example strategy.ema\n", spec->program);
        return false;
    }
    life->service.stream = life->service.instance;
    return true;
}

/* libzmq aborts the process when it runs out of descriptors, so the limit goes up first. */
static void raise_file_limit(void)
{
    struct rlimit limit;

    if (getrlimit(RLIMIT_NOFILE, &limit) != 0) return;
    if (limit.rlim_cur >= OPEN_FILES_MIN) return;
    limit.rlim_cur = limit.rlim_max < OPEN_FILES_MIN ? limit.rlim_max : OPEN_FILES_MIN;
    SP_IGNORE(setrlimit(RLIMIT_NOFILE, &limit)); /* the default may still do */
}

static sp_status load_config(struct life *life, struct sp_err *err)
{
    struct sp_problems *problems = calloc(1, sizeof *problems);

    if (problems == NULL) return SP_FAIL(err, SP_NO_MEMORY, "problem list");
    sp_status status = sp_config_load(life->config_dir, &life->config, problems);
    if (problems->count > 0) sp_problems_print(problems, STDERR_FILENO);
    if (status != SP_OK) {
        status = SP_FAIL(err, SP_CONFIG, "%s: %u configuration errors", life->config_dir,
                         problems->errors);
    }
    free(problems);
    life->service.config = life->config;
    return status;
}

static bool is_configured(const struct sp_config *config, const sp_name *instance)
{
    struct sp_instance instances[SP_INSTANCES_MAX];
    uint32_t count = sp_config_instances(config, instances);

    for (uint32_t i = 0; i < count; i++) {
        if (sp_name_eq(&instances[i].name, instance)) return true;
    }
    return false;
}

/* Before the journal is opened, so that even its first records have the ballast behind them. */
static void watch_storage(struct life *life)
{
    struct sp_service *service = &life->service;
    const struct sp_platform *platform = &life->config->platform;
    struct sp_storage_options options = {
        .dir = service->dir,
        .limits = {.warn_bytes = platform->disk_warn_bytes,
                   .warn_part = platform->disk_warn_part,
                   .reserve_bytes = platform->disk_reduce_only_bytes},
        .ballast = &life->ballast,
        .metrics = service->metrics};

    sp_ballast_init(&life->ballast, sp_file_port_real(), service->dir,
                    life->spec->journal ? platform->disk_ballast_bytes : 0);
    life->journal_port = sp_ballast_port(&life->ballast);
    sp_storage_init(&service->storage, &options);
    sp_storage_check(&service->storage);
}

static sp_status open_role_and_journal(struct life *life, struct sp_err *err)
{
    struct sp_service *service = &life->service;

    if (!is_configured(life->config, &service->instance)) {
        return SP_FAIL(err, SP_CONFIG, "%s is not an instance of the operation in %s",
                       service->instance.s, life->config_dir);
    }
    sp_config_instance_dir(life->config, service->instance.s, service->dir);
    sp_status status = sp_file_make_dirs(sp_file_port_real(), service->dir, err);
    if (status != SP_OK) return status;
    status = sp_role_acquire(&service->role, service->dir, err);
    if (status != SP_OK) return status;
    SP_FAILPOINT(epoch_taken);
    watch_storage(life);
    if (!life->spec->journal) return SP_OK;

    const struct sp_world_config *world = sp_config_world(life->config);
    struct sp_journal_options options = {
        .dir = service->dir,
        .stream = service->stream,
        .installation = life->config->platform.installation.s,
        .world = world->id.s,
        .epoch = service->role.epoch,
        .compress_after = life->config->platform.journal_compress_after,
        .segment_bytes = life->config->platform.journal_segment_bytes,
        .port = &life->journal_port};
    if (world->feed.lock_step) { /* a run that repeats begins with the same line */
        options.start_time = (sp_wall){world->feed.start.ns + 1};
        options.boot_id = sp_name_of("lock_step");
    }
    return sp_persistor_journal(&life->config->platform.persistence, &options, &service->journal,
                                err);
}

/* After the journal is open: what is read is what its start found in order. */
static sp_status start_scrub(struct life *life, struct sp_err *err)
{
    struct sp_service *service = &life->service;
    struct sp_scrub_options options = {.dir = service->dir,
                                       .bytes_per_second =
                                           life->config->platform.scrub_bytes_per_second,
                                       .every = life->config->platform.scrub_every};

    if (service->journal == NULL) return SP_OK;
    return sp_scrub_start(&options, &service->storage.scrub, err);
}

static sp_status open_bus(struct life *life, struct sp_err *err)
{
    struct sp_service *service = &life->service;
    const struct sp_platform *platform = &life->config->platform;

    sp_status status = sp_file_make_dirs(sp_file_port_real(), platform->run_dir, err);
    if (status != SP_OK) return status;
    struct sp_bus_options options = {.run_dir = platform->run_dir,
                                     .data_dir = platform->data_dir,
                                     .service = service->instance,
                                     .epoch = service->role.epoch,
                                     .queue_max = platform->queue_max,
                                     .message_max_bytes = platform->message_max_bytes,
                                     .may_read = sp_consumes};
    status = sp_bus_open(service->loop, &options, &service->bus, err);
    if (status != SP_OK || service->journal == NULL) return status;
    return sp_bus_add_facts(service->bus, service->journal, &service->stream, err);
}

/* ---- The control socket's own questions ---- */

static void answer_status(struct life *life, const struct sp_peer *peer, uint64_t request_id)
{
    struct sp_service *service = &life->service;
    struct sp_service_status *body = &life->answer.body.service_status;

    memset(&life->answer, 0, sizeof life->answer);
    life->answer.kind = SP_REC_SERVICE_STATUS;
    life->answer.time = sp_clock_wall();
    body->request_id = request_id;
    body->service = service->instance;
    body->epoch = service->role.epoch;
    body->phase = (uint8_t)life->phase;
    sp_storage_say(&service->storage, &body->storage);
    if (life->spec->fill_status != NULL) life->spec->fill_status(service, body);
    SP_IGNORE(sp_bus_reply(service->bus, peer, &life->answer)); /* the asker has gone */
}

struct metrics_answer {
    struct life *life;
    const struct sp_peer *peer;
    uint64_t request_id;
};

static void send_metrics_line(void *ctx, const char *line)
{
    struct metrics_answer *to = ctx;
    struct sp_record *answer = &to->life->answer;

    memset(answer, 0, sizeof *answer);
    answer->kind = SP_REC_METRICS_TEXT;
    answer->body.metrics_text.request_id = to->request_id;
    answer->body.metrics_text.more = line != NULL;
    sp_text_printf(&answer->body.metrics_text.line, "%s", line != NULL ? line : "");
    SP_IGNORE(sp_bus_reply(to->life->service.bus, to->peer, answer)); /* the asker has gone */
}

struct flow_answer {
    struct life *life;
    const struct sp_peer *peer;
    uint64_t request_id;
};

static void send_flow(void *ctx, const struct sp_bus_flow *flow)
{
    struct flow_answer *to = ctx;
    struct sp_record *answer = &to->life->answer;

    memset(answer, 0, sizeof *answer);
    answer->kind = SP_REC_BUS_FLOW;
    if (flow != NULL) answer->body.bus_flow = *flow;
    answer->body.bus_flow.request_id = to->request_id;
    answer->body.bus_flow.more = flow != NULL;
    SP_IGNORE(sp_bus_reply(to->life->service.bus, to->peer, answer)); /* the asker has gone */
}

static void answer_retain(struct life *life, const struct sp_peer *peer,
                          const struct sp_retain *request)
{
    struct sp_service *service = &life->service;
    struct sp_command_reply reply = {0};

    if (service->on_retain != NULL) {
        service->on_retain(service->on_retain_ctx, request, &reply);
    } else {
        reply.status = sp_name_of(sp_status_name(SP_REFUSED));
        sp_text_printf(&reply.text, "%s keeps no journal that it could delete of",
                       service->instance.s);
    }
    reply.request_id = request->request_id;
    memset(&life->answer, 0, sizeof life->answer);
    life->answer.kind = SP_REC_COMMAND_REPLY;
    life->answer.time = sp_clock_wall();
    life->answer.body.command_reply = reply;
    SP_IGNORE(sp_bus_reply(service->bus, peer, &life->answer)); /* the asker has gone */
}

static void on_request(void *ctx, const struct sp_peer *peer, const struct sp_record *request)
{
    struct life *life = ctx;

    if (request->kind == SP_REC_QUERY && sp_name_is(&request->body.query.what, "status")) {
        answer_status(life, peer, request->body.query.request_id);
    } else if (request->kind == SP_REC_QUERY && sp_name_is(&request->body.query.what, "metrics")) {
        struct metrics_answer to = {life, peer, request->body.query.request_id};
        sp_metric_set(life->loop_rounds, (int64_t)sp_loop_rounds(life->service.loop));
        sp_metrics_print(life->service.metrics, send_metrics_line, &to);
        sp_bus_print_metrics(life->service.bus, send_metrics_line, &to);
        send_metrics_line(&to, NULL);
    } else if (request->kind == SP_REC_QUERY && sp_name_is(&request->body.query.what, "bus")) {
        struct flow_answer to = {life, peer, request->body.query.request_id};
        sp_bus_flows(life->service.bus, send_flow, &to);
        send_flow(&to, NULL);
    } else if (request->kind == SP_REC_RETAIN) {
        answer_retain(life, peer, &request->body.retain);
    } else if (life->spec->on_request != NULL) {
        life->spec->on_request(&life->service, peer, request);
    }
}

/* ---- Running ---- */

static void check_stop(void *ctx)
{
    struct life *life = ctx;
    bool done = life->spec->stop == NULL || life->spec->stop(&life->service, life->whole_operation);

    if (!done && sp_clock_mono().ns < life->stop_deadline.ns) return;
    life->stop_done = true;
    if (!done) sp_log(SP_LOG_WARN, "stop_deadline", "next=\"ending with work unfinished\"");
    sp_loop_stop(life->service.loop);
}

static void begin_stop(struct life *life, bool whole_operation, const char *why)
{
    sp_dur every = {STOP_EVERY_NS};

    life->whole_operation = life->whole_operation || whole_operation;
    if (life->stopping) return;
    life->stopping = true;
    life->stop_deadline = (sp_mono){sp_clock_mono().ns + STOP_DEADLINE_NS};
    sp_log(SP_LOG_INFO, "stopping", "why=\"%s\" whole_operation=%d", why, whole_operation);
    sp_service_set_phase(&life->service, SP_PHASE_STOPPING);
    sp_notify_send(life->notify_fd, "STOPPING=1");
    if (sp_loop_add_timer(life->service.loop, (sp_dur){0}, every, check_stop, life,
                          &life->stop_timer) != SP_OK) {
        life->stop_done = true;
        sp_loop_stop(life->service.loop);
    }
}

static void on_notify(void *ctx)
{
    struct life *life = ctx;
    char text[SP_NOTIFY_TEXT_MAX];

    for (;;) {
        sp_status status = sp_notify_receive(life->notify_fd, text);
        if (status == SP_AGAIN) return;
        if (status != SP_OK) {
            sp_loop_remove_fd(life->service.loop, life->notify_fd);
            begin_stop(life, false, "supervisor is gone");
            return;
        }
        if (strncmp(text, "STOP=", 5) == 0) {
            begin_stop(life, strcmp(text, "STOP=operation") == 0, text);
        }
    }
}

static void tell_progress(void *ctx)
{
    struct life *life = ctx;
    uint64_t rounds = sp_loop_rounds(life->service.loop);
    struct sp_err err = {0};

    if (rounds != life->rounds_told) sp_notify_send(life->notify_fd, "PROGRESS=%" PRIu64, rounds);
    life->rounds_told = rounds;
    if (life->failure != SP_OK) return;
    /* A holder that was stopped and superseded ends, also one that has nothing to write. */
    if (sp_role_check(&life->service.role, &err) != SP_OK) {
        sp_service_fail(&life->service, &err);
        return;
    }
    if (life->service.journal == NULL) return;
    if (sp_journal_health(life->service.journal) != SP_OK) {
        SP_IGNORE(SP_FAIL(&err, SP_STORAGE, "journal in %s is poisoned", life->service.dir));
        sp_service_fail(&life->service, &err);
    }
}

static void check_storage(void *ctx)
{
    sp_storage_check(ctx);
}

static void check_ready(void *ctx)
{
    struct life *life = ctx;

    if (life->stopping) return;
    if (life->spec->is_ready != NULL && !life->spec->is_ready(&life->service)) return;
    life->ready = true;
    sp_timer_cancel(life->ready_timer);
    life->ready_timer = NULL;
    if (life->phase < SP_PHASE_READY) sp_service_set_phase(&life->service, SP_PHASE_READY);
    sp_notify_send(life->notify_fd, "READY=1 EPOCH=%" PRIu32, life->service.role.epoch);
    sp_log(SP_LOG_INFO, "ready", "epoch=%" PRIu32, life->service.role.epoch);
}

static sp_status wire(struct life *life, struct sp_err *err)
{
    struct sp_service *service = &life->service;
    struct sp_timer *progress = NULL;
    sp_dur ready = {READY_EVERY_NS}, every = {PROGRESS_EVERY_NS}, disk = {DISK_EVERY_NS};

    life->notify_fd = sp_notify_inherited();
    sp_service_set_phase(service, SP_PHASE_LOAD);
    sp_status status = open_bus(life, err);
    if (status != SP_OK) return status;
    sp_bus_on_request(service->bus, on_request, life);
    sp_service_set_phase(service, SP_PHASE_WIRE);
    status = life->spec->init(service, err);
    if (status == SP_OK && life->notify_fd >= 0) {
        status = sp_loop_add_fd(service->loop, life->notify_fd, on_notify, life);
    }
    if (status == SP_OK) {
        status = sp_loop_add_timer(service->loop, every, every, tell_progress, life, &progress);
    }
    if (status == SP_OK) {
        status =
            sp_loop_add_timer(service->loop, disk, disk, check_storage, &service->storage, NULL);
    }
    if (status == SP_OK) {
        status = sp_loop_add_timer(service->loop, (sp_dur){0}, ready, check_ready, life,
                                   &life->ready_timer);
        if (status != SP_OK) return SP_FAIL(err, status, "event loop: no room for timers");
    }
    return status;
}

static void say_last_words(struct life *life)
{
    sp_mono deadline = {sp_clock_mono().ns + LAST_WORDS_NS};
    struct sp_err err = {0};

    if (life->failure != SP_STORAGE || life->spec->storage_failed == NULL) return;
    while (!life->spec->storage_failed(&life->service)) {
        if (sp_clock_mono().ns >= deadline.ns) return;
        if (sp_loop_turn(life->service.loop, (sp_dur){STOP_EVERY_NS}, &err) != SP_OK) return;
    }
}

/* A signal ends the loop at once, also while a stop is under way (the supervisor sends both its
 * message and SIGTERM); what has to be done before the end still runs to its end. */
static sp_status run(struct life *life, struct sp_err *err)
{
    struct sp_loop *loop = life->service.loop;
    sp_status status = sp_loop_run(loop, err);

    while (status == SP_OK && life->failure == SP_OK && !life->stop_done) {
        /* The message says more than the signal, and was sent before it. */
        if (!life->stopping && life->notify_fd >= 0) on_notify(life);
        if (!life->stopping) {
            begin_stop(life, false, sp_loop_signal(loop) != 0 ? "signal" : "own request");
        }
        status = sp_loop_run(loop, err);
    }
    if (status == SP_OK) say_last_words(life);
    return status;
}

static int finish(struct life *life, sp_status status, struct sp_err *err)
{
    struct sp_service *service = &life->service;

    if (life->failure != SP_OK) status = life->failure;
    if (status != SP_OK && life->failure == SP_OK) sp_log_err(SP_LOG_ERROR, "failed", err);
    if (life->spec->fini != NULL && service->state != NULL) life->spec->fini(service);
    if (status == SP_OK && service->journal != NULL) {
        status = sp_role_check(&service->role, err); /* else the file is a successor's */
        if (status == SP_OK) status = sp_journal_seal(service->journal, err);
        if (status != SP_OK) sp_log_err(SP_LOG_ERROR, "seal_failed", err);
    }
    sp_bus_close(service->bus);
    sp_scrub_stop(service->storage.scrub);
    sp_journal_close(service->journal);
    sp_loop_close(service->loop);
    sp_metrics_close(service->metrics);
    sp_role_release(&service->role);
    int code = sp_status_exit_code(status);
    sp_log(SP_LOG_INFO, "ended", "code=%d", code);
    return code;
}

int sp_service_main(int argc, char **argv, const struct sp_service_spec *spec)
{
    struct life *life = calloc(1, sizeof *life);
    struct sp_err err = {0};
    int code = SP_EXIT_SOFTWARE;

    if (life == NULL) return code;
    if (argc > 1 && strcmp(argv[1], "--rerun") == 0) {
        free(life);
        return sp_rerun_main(argc - 2, argv + 2, spec);
    }
    life->spec = spec;
    life->notify_fd = -1;
    life->service.role.lock_fd = -1;
    umask(077);
    if (!parse_arguments(life, argc, argv, &code)) {
        free(life);
        return code;
    }
    raise_file_limit();
    sp_log_init(life->service.instance.s, SP_LOG_INFO);
    sp_status status = load_config(life, &err);
    if (status == SP_OK) {
        sp_log_init(life->service.instance.s, life->config->platform.log_level);
        status = sp_metrics_open(&life->service.metrics, &err);
    }
    if (status == SP_OK) {
        life->loop_rounds =
            sp_metrics_gauge(life->service.metrics, "spoor_loop_rounds", "", "event loop rounds");
        /* The loop blocks the signals, so it comes before anything that starts a thread. */
        status = sp_loop_open(&life->service.loop, &err);
    }
    if (status == SP_OK) status = open_role_and_journal(life, &err);
    if (status == SP_OK) status = start_scrub(life, &err);
    if (status == SP_OK) status = wire(life, &err);
    if (status == SP_OK) status = run(life, &err);
    code = finish(life, status, &err);
    sp_config_free(life->config);
    free(life);
    return code;
}

void sp_service_fail(struct sp_service *service, const struct sp_err *err)
{
    struct life *life = life_of(service);

    if (life->failure == SP_OK) {
        life->failure = err->status != SP_OK ? err->status : SP_STORAGE;
        sp_log_err(SP_LOG_ERROR, "fatal", err);
    }
    sp_loop_stop(service->loop);
}

void sp_service_set_phase(struct sp_service *service, enum sp_phase phase)
{
    struct life *life = life_of(service);

    if (life->phase == phase) return;
    life->phase = phase;
    if (service->bus != NULL) sp_bus_set_phase(service->bus, phase);
    sp_notify_send(life->notify_fd, "PHASE=%s", sp_enum_name(SP_ENUM_PHASE, (uint8_t)phase));
}
