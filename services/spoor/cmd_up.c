/* up: checks the configuration, starts the supervisor detached, waits until everything is ready and
 * shows what runs where. */
#include "services/spoor/cli.h"
#include "services/spoor/memory.h"
#include "services/spoor/supervisor_client.h"

#include "common/clock.h"
#include "common/journal/file.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define STATUS_TIMEOUT_NS (5 * SP_NS_PER_S)
#define READY_TIMEOUT_NS  (90 * SP_NS_PER_S)
#define POLL_NS           (20 * SP_NS_PER_MS)
#define TAIL_BYTES        4096
#define PER_LINE          4

struct up {
    const struct sp_cli *cli;
    const char *dir;
    const char *policy;
    bool foreground, no_wait;
    bool progress; /* a terminal: show who is awaited, on one line */
    struct sp_config *config;
    char supervisor[SP_PATH_SIZE]; /* its program */
    char log_path[SP_PATH_SIZE + 32];
    char sock_path[SP_PATH_SIZE + 32];
    long log_begin; /* where this start's lines begin */
    pid_t pid;      /* of the supervisor we started; 0 once it has ended */
    int exit_code;
    struct sp_supervisor_answer answer;
};

static int parse(const struct sp_cli *cli, struct up *up)
{
    up->cli = cli;
    up->dir = cli->config_dir;
    for (int i = 1; i < cli->argc; i++) {
        const char *value = NULL;
        if (strcmp(cli->argv[i], "--foreground") == 0) {
            up->foreground = true;
        } else if (strcmp(cli->argv[i], "--no-wait") == 0) {
            up->no_wait = true;
        } else if (sp_cli_option(cli, &i, "--policy", &value)) {
            if (value == NULL) return sp_cli_usage(NULL, "--policy wants a value");
            up->policy = value;
        } else if (cli->argv[i][0] == '-') {
            return sp_cli_usage("See: spoor up --help", "up has no option %s", cli->argv[i]);
        } else {
            up->dir = cli->argv[i];
        }
    }
    return 0;
}

static int find_paths(struct up *up)
{
    const struct sp_platform *platform = &up->config->platform;
    struct sp_err err = {0};

    if (!sp_cli_beside("spoor-supervisor", up->supervisor))
        return sp_cli_fail(SP_EXIT_CONFIG, NULL, "cannot find my own program");
    snprintf(up->log_path, sizeof up->log_path, "%s/supervisor.log", platform->log_dir);
    snprintf(up->sock_path, sizeof up->sock_path, "%s/supervisor.sock", platform->run_dir);
    if (sp_file_make_dirs(sp_file_port_real(), platform->log_dir, &err) != SP_OK)
        return sp_cli_fail(SP_EXIT_STORAGE, NULL, "%s", err.text);
    return 0;
}

static void exec_supervisor(const struct up *up)
{
    char *argv[8];
    int n = 0;
    char config[] = "--config", policy[] = "--policy";
    char program[SP_PATH_SIZE], dir[SP_PATH_SIZE], policy_text[SP_PATH_SIZE];

    snprintf(program, sizeof program, "%s", up->supervisor);
    snprintf(dir, sizeof dir, "%s", up->dir);
    snprintf(policy_text, sizeof policy_text, "%s", up->policy != NULL ? up->policy : "");
    argv[n++] = program;
    argv[n++] = config;
    argv[n++] = dir;
    if (up->policy != NULL) {
        argv[n++] = policy;
        argv[n++] = policy_text;
    }
    argv[n] = NULL;
    execv(program, argv);
    fprintf(stderr, "spoor: cannot execute %s: %s\n", program, strerror(errno));
}

/* The supervisor in a session of its own, its output in its log. */
static int start_detached(struct up *up)
{
    int log_fd = open(up->log_path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0600);
    int null_fd = open("/dev/null", O_RDONLY | O_CLOEXEC);

    if (log_fd < 0 || null_fd < 0)
        return sp_cli_fail(SP_EXIT_STORAGE, NULL, "cannot write %s: %s", up->log_path,
                           strerror(errno));
    up->log_begin = (long)lseek(log_fd, 0, SEEK_END);
    up->pid = fork();
    if (up->pid == 0) {
        setsid();
        dup2(null_fd, STDIN_FILENO);
        dup2(log_fd, STDOUT_FILENO);
        dup2(log_fd, STDERR_FILENO);
        exec_supervisor(up);
        _exit(SP_EXIT_CONFIG);
    }
    close(log_fd);
    close(null_fd);
    if (up->pid < 0) return sp_cli_fail(SP_EXIT_SOFTWARE, NULL, "fork: %s", strerror(errno));
    return 0;
}

/* True once the supervisor that we started has ended; its exit code is then known. */
static bool has_ended(struct up *up)
{
    int status = 0;

    if (up->pid == 0) return true;
    if (waitpid(up->pid, &status, WNOHANG) != up->pid) return false;
    up->pid = 0;
    up->exit_code = WIFEXITED(status) ? WEXITSTATUS(status) : SP_EXIT_SOFTWARE;
    return true;
}

/* What it wrote since this start: the reason is in there. */
static int tell_end(const struct up *up)
{
    char tail[TAIL_BYTES];
    FILE *file = fopen(up->log_path, "re");

    if (file != NULL) {
        fseek(file, up->log_begin, SEEK_SET);
        size_t n = fread(tail, 1, sizeof tail, file);
        fwrite(tail, 1, n, stderr);
        fclose(file);
    }
    return sp_cli_fail(up->exit_code != 0 ? up->exit_code : SP_EXIT_SOFTWARE, NULL,
                       "the supervisor ended with exit code %d (its log: %s)", up->exit_code,
                       sp_cli_path(up->log_path));
}

struct progress {
    uint32_t ready;
    uint32_t hopeless; /* will not be ready without help */
    uint32_t waiting;  /* for another to be ready */
    uint32_t moving;   /* on their way */
};

static struct progress count(const struct sp_supervisor_answer *answer)
{
    struct progress n = {0};

    for (uint32_t i = 1; i < answer->count; i++) {
        const sp_name *state = &answer->rows[i].state;
        if (sp_name_is(state, "READY")) {
            n.ready++;
        } else if (sp_name_is(state, "GIVEN_UP") || sp_name_is(state, "OPEN")) {
            n.hopeless++;
        } else if (sp_name_is(state, "WAITING")) {
            n.waiting++;
        } else {
            n.moving++;
        }
    }
    return n;
}

static void show_progress(const struct up *up)
{
    if (!up->progress) return;
    fprintf(stderr, "\r\033[Kstart ");
    for (uint32_t i = 1; i < up->answer.count; i++) {
        const struct sp_child_status *row = &up->answer.rows[i];
        if (!sp_name_is(&row->state, "READY")) fprintf(stderr, " %s:%s", row->name.s, row->state.s);
    }
}

/* Each service with its pid; "health 4107: http://127.0.0.1:8787" names the page. */
static void print_started(const struct up *up)
{
    const struct sp_platform *platform = &up->config->platform;
    char cell[96];

    if (up->progress) fprintf(stderr, "\r\033[K");
    for (uint32_t i = 0; i < up->answer.count; i++) {
        const struct sp_child_status *row = &up->answer.rows[i];
        if (row->pid != 0) {
            snprintf(cell, sizeof cell, "%s %u", row->name.s, row->pid);
        } else {
            snprintf(cell, sizeof cell, "%s -", row->name.s);
        }
        bool last = i + 1 == up->answer.count || i % PER_LINE == PER_LINE - 1;
        printf("%s%-*s%s",
               i == 0              ? "start   "
               : i % PER_LINE == 0 ? "        "
                                   : "",
               last ? 0 : 22, cell, last ? "\n" : "");
    }
    printf("        data: %s", sp_cli_path(platform->data_dir));
    if (platform->http_port != 0)
        printf("   page: http://%s:%u", platform->http_host, platform->http_port);
    printf("\n");
}

/* The last error of a log, which says why: its line, without time and level. False: none. */
static bool last_error(const char *path, char line[TAIL_BYTES])
{
    char read[TAIL_BYTES];
    FILE *file = fopen(path, "re");

    line[0] = '\0';
    if (file == NULL) return false;
    if (fseek(file, -TAIL_BYTES, SEEK_END) != 0) rewind(file); /* a short log */
    while (fgets(read, sizeof read, file) != NULL) {
        const char *error = strstr(read, " ERROR ");
        if (error != NULL) snprintf(line, TAIL_BYTES, "%s", error + strlen(" ERROR "));
    }
    fclose(file);
    line[strcspn(line, "\n")] = '\0';
    return line[0] != '\0';
}

static void print_not_ready(const struct up *up)
{
    char path[SP_PATH_SIZE + 64], line[TAIL_BYTES];

    for (uint32_t i = 1; i < up->answer.count; i++) {
        const struct sp_child_status *row = &up->answer.rows[i];
        if (sp_name_is(&row->state, "READY")) continue;
        fprintf(stderr, "  %-16s %-9s %s\n", row->name.s, row->state.s, row->text.s);
        if (sp_name_is(&row->state, "WAITING")) continue; /* it has not run */
        snprintf(path, sizeof path, "%s/%s.log", up->config->platform.log_dir, row->name.s);
        fprintf(stderr, "  %-16s log: %s\n", "", sp_cli_path(path));
        if (last_error(path, line)) fprintf(stderr, "  %-16s %s\n", "", line);
    }
}

static int finish(const struct up *up, bool complete, int64_t begin_ns)
{
    double seconds = (double)(sp_clock_mono().ns - begin_ns) / 1e9;
    uint32_t ready = count(&up->answer).ready;

    print_started(up);
    if (complete) {
        printf("ready   after %.2f s: %u services\n", seconds, ready);
        return SP_EXIT_OK;
    }
    fflush(stdout);
    fprintf(stderr, "spoor: not ready after %.2f s: %u of %u services\n", seconds, ready,
            up->answer.count - 1);
    print_not_ready(up);
    fprintf(stderr,
            "  What runs goes on running. Once mended: %s -C %s start NAME; or stop it: down\n",
            up->cli->program, up->dir);
    return SP_EXIT_SOFTWARE;
}

/* Asks until all are ready or have no hope, the supervisor ends, or the time is up. */
static int await_ready(struct up *up)
{
    int64_t begin = sp_clock_mono().ns;
    const struct timespec pause = {.tv_nsec = POLL_NS};

    for (;;) {
        sp_status status = sp_supervisor_ask(up->sock_path, "status", NULL,
                                             (sp_dur){STATUS_TIMEOUT_NS}, &up->answer, NULL);
        bool mine =
            status == SP_OK && up->answer.count > 0 && up->answer.rows[0].pid == (uint32_t)up->pid;
        if (mine) {
            struct progress n = count(&up->answer);
            bool complete = n.ready + 1 == up->answer.count;
            bool stuck = n.hopeless > 0 && n.moving == 0;
            if (complete || stuck || up->no_wait)
                return finish(up, complete || (up->no_wait && n.hopeless == 0), begin);
            show_progress(up);
        }
        if (has_ended(up)) return tell_end(up);
        if (sp_clock_mono().ns - begin > READY_TIMEOUT_NS) return finish(up, false, begin);
        nanosleep(&pause, NULL);
    }
}

static int run(struct up *up)
{
    struct sp_cli with_dir = *up->cli;

    with_dir.config_dir = up->dir;
    int code = sp_cli_config(&with_dir, &up->config);
    if (code == 0) code = find_paths(up);
    if (code != 0) return code;
    if (sp_supervisor_ask(up->sock_path, "status", NULL, (sp_dur){STATUS_TIMEOUT_NS}, &up->answer,
                          NULL) == SP_OK &&
        up->answer.count > 0) {
        printf("%s already runs: supervisor %u, %u services. See: %s -C %s status\n",
               up->config->operation.s, up->answer.rows[0].pid, up->answer.count - 1,
               up->cli->program, up->dir);
        return SP_EXIT_OK;
    }
    if (up->foreground) {
        exec_supervisor(up);
        return SP_EXIT_CONFIG;
    }
    code = start_detached(up);
    return code != 0 ? code : await_ready(up);
}

int sp_cmd_up(const struct sp_cli *cli)
{
    struct up *up = sp_memory(calloc(1, sizeof *up));

    up->progress = isatty(STDERR_FILENO) && !cli->json;
    int code = parse(cli, up);
    if (code == 0) code = run(up);
    sp_config_free(up->config);
    free(up);
    return code;
}
