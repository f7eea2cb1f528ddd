/* Any bytes on the supervisor's two inputs: its control socket and the line of a child.
 *
 * The first byte is how many bytes come at once. What it takes for a request is valid and can be
 * written; a request is never more than a line. As messages of a child the same bytes leave its
 * fields proper text.
 */
#include "fuzz.h"

#include "common/clock.h"
#include "common/notify.h"
#include "services/supervisor/control.h"
#include "services/supervisor/supervisor_core.h"

#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static struct sp_control control;
static struct sp_supervisor supervisor;

static void serve(const uint8_t *data, size_t size, size_t step)
{
    struct sp_supervisor_request request;
    struct sp_err err = {0};
    int pair[2];
    sp_status status = SP_AGAIN;

    FUZZ_CHECK(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) == 0);
    control.clients[0] = (struct sp_control_client){.fd = pair[0]};
    while (status == SP_AGAIN && size > 0) {
        size_t len = size < step ? size : step;
        FUZZ_CHECK(send(pair[1], data, len, 0) == (ssize_t)len);
        data += len;
        size -= len;
        status = sp_control_read(&control, 0, &request, &err);
        FUZZ_CHECK(control.clients[0].len_bytes <= SP_CONTROL_LINE_MAX);
    }
    close(pair[1]);
    if (status == SP_OK) {
        const struct sp_schema *schema = sp_schema_of(SP_DTO_supervisor_request);
        FUZZ_CHECK(sp_validate(schema, &request, NULL) == SP_OK);
        sp_control_send(&control, 0, SP_DTO_supervisor_request, &request);
    } else {
        FUZZ_CHECK(status == SP_AGAIN || (status == SP_INVALID && err.text[0] != '\0'));
    }
    sp_control_end(&control, 0);
}

static void start_child(void)
{
    struct sp_supervisor_actions actions = {0};
    struct sp_supervisor_policy policy = sp_supervisor_policy_default();
    struct sp_supervised_spec spec = {
        .instance = {.name = sp_name_of("execution"), .program = sp_name_of("spoor-execution")},
        .start_timeout = {10 * SP_NS_PER_S},
        .stop_timeout = {10 * SP_NS_PER_S}};
    sp_mono now = {SP_NS_PER_S};

    memset(&supervisor, 0, sizeof supervisor);
    sp_supervisor_init(&supervisor, &policy, 1);
    sp_supervisor_add(&supervisor, &spec);
    sp_supervisor_start_all(&supervisor, now, &actions);
    sp_supervisor_spawned(&supervisor, 0, 100, &actions);
}

/* One message a line. */
static void listen_to(const uint8_t *data, size_t size)
{
    static struct sp_supervisor_actions actions;
    sp_mono now = {2 * SP_NS_PER_S};

    start_child();
    for (const uint8_t *end = data + size; data < end; now.ns += SP_NS_PER_MS) {
        char text[SP_NOTIFY_TEXT_MAX];
        const uint8_t *newline = memchr(data, '\n', (size_t)(end - data));
        size_t len = (size_t)((newline != NULL ? newline : end) - data);
        size_t kept = len < sizeof text ? len : sizeof text - 1;
        memcpy(text, data, kept);
        text[kept] = '\0';
        data += len + 1;
        actions.count = 0;
        sp_supervisor_notified(&supervisor, 0, text, now, &actions);
        FUZZ_CHECK(actions.count <= SP_SUPERVISOR_ACTIONS_MAX);
        struct sp_child_status status;
        sp_supervisor_describe(&supervisor, 0, now, &status);
        const struct sp_schema *schema = sp_schema_of(SP_DTO_child_status);
        FUZZ_CHECK(sp_validate(schema, &status, NULL) == SP_OK);
        if (newline == NULL) break;
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 2) return 0;
    fuzz_memory_begin();
    serve(data + 1, size - 1, (size_t)data[0] + 1);
    listen_to(data + 1, size - 1);
    fuzz_memory_end(0, 0);
    return 0;
}
