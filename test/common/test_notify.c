#include "common/notify.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

static void open_pair(int fd[2])
{
    assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, fd), 0);
}

static void test_notify_messages_arrive_whole_and_in_order(void **state)
{
    int fd[2];
    char text[SP_NOTIFY_TEXT_MAX];

    (void)state;
    open_pair(fd);
    assert_int_equal(sp_notify_receive(fd[0], text), SP_AGAIN);
    sp_notify_send(fd[1], "READY=1 EPOCH=%u", 7U);
    sp_notify_send(fd[1], "PHASE=%s", "RECONCILE");
    assert_int_equal(sp_notify_receive(fd[0], text), SP_OK);
    assert_string_equal(text, "READY=1 EPOCH=7");
    assert_int_equal(sp_notify_receive(fd[0], text), SP_OK);
    assert_string_equal(text, "PHASE=RECONCILE");
    assert_int_equal(sp_notify_receive(fd[0], text), SP_AGAIN);
    close(fd[0]);
    close(fd[1]);
}

static void test_notify_the_end_of_the_peer_is_seen(void **state)
{
    int fd[2];
    char text[SP_NOTIFY_TEXT_MAX];

    (void)state;
    open_pair(fd);
    sp_notify_send(fd[1], "STOPPING=1");
    close(fd[1]);
    assert_int_equal(sp_notify_receive(fd[0], text), SP_OK);
    assert_string_equal(text, "STOPPING=1");
    assert_int_equal(sp_notify_receive(fd[0], text), SP_CLOSED);
    sp_notify_send(fd[0], "STOP=operation"); /* must not raise SIGPIPE */
    close(fd[0]);
}

static void test_notify_a_full_socket_drops_and_does_not_block(void **state)
{
    int fd[2];
    char text[SP_NOTIFY_TEXT_MAX];
    unsigned received = 0;

    (void)state;
    open_pair(fd);
    for (unsigned i = 0; i < 100000; i++) {
        sp_notify_send(fd[1], "PROGRESS=%u", i);
    }
    while (sp_notify_receive(fd[0], text) == SP_OK) {
        received++;
    }
    assert_in_range(received, 1, 99999);
    close(fd[0]);
    close(fd[1]);
}

static void test_notify_long_texts_are_cut(void **state)
{
    int fd[2];
    char text[SP_NOTIFY_TEXT_MAX];
    char long_text[4 * SP_NOTIFY_TEXT_MAX];

    (void)state;
    open_pair(fd);
    memset(long_text, 'x', sizeof long_text);
    long_text[sizeof long_text - 1] = '\0';
    sp_notify_send(fd[1], "STATUS=%s", long_text);
    assert_int_equal(sp_notify_receive(fd[0], text), SP_OK);
    assert_int_equal(strlen(text), SP_NOTIFY_TEXT_MAX - 1);
    close(fd[0]);
    close(fd[1]);
}

static void test_notify_only_a_real_socket_is_inherited(void **state)
{
    int fd[2];
    char number[16];

    (void)state;
    unsetenv(SP_NOTIFY_FD_ENV);
    assert_int_equal(sp_notify_inherited(), -1);
    setenv(SP_NOTIFY_FD_ENV, "three", 1);
    assert_int_equal(sp_notify_inherited(), -1);
    setenv(SP_NOTIFY_FD_ENV, "0", 1); /* not a socket of ours */
    assert_int_equal(sp_notify_inherited(), -1);

    open_pair(fd);
    snprintf(number, sizeof number, "%d", fd[1]);
    setenv(SP_NOTIFY_FD_ENV, number, 1);
    assert_int_equal(sp_notify_inherited(), fd[1]);
    assert_true((fcntl(fd[1], F_GETFL) & O_NONBLOCK) != 0);
    assert_true((fcntl(fd[1], F_GETFD) & FD_CLOEXEC) != 0);
    unsetenv(SP_NOTIFY_FD_ENV);
    close(fd[0]);
    close(fd[1]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_notify_messages_arrive_whole_and_in_order),
        cmocka_unit_test(test_notify_the_end_of_the_peer_is_seen),
        cmocka_unit_test(test_notify_a_full_socket_drops_and_does_not_block),
        cmocka_unit_test(test_notify_long_texts_are_cut),
        cmocka_unit_test(test_notify_only_a_real_socket_is_inherited),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
