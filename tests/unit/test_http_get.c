/* One GET against a listener that answers one connection with given bytes and then closes, or never
 * answers. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <arpa/inet.h>
#include <pthread.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

#include "broker/base/clock.h"
#include "monitor/http_get.h"

struct listener {
    int socket;
    char url[64];
    const char *answer; /* NULL: stay silent until the client leaves */
    char request[4096];
    pthread_t thread;
};

static void *listener_run(void *context)
{
    struct listener *listener = context;
    int peer = accept(listener->socket, NULL, NULL);
    if (peer < 0)
        return NULL;
    ssize_t got = read(peer, listener->request, sizeof listener->request - 1);
    if (listener->answer && got > 0)
        got = write(peer, listener->answer, strlen(listener->answer));
    else
        while (got > 0)
            got = read(peer, listener->request, sizeof listener->request - 1);
    close(peer);
    return NULL;
}

static void listener_start(struct listener *listener, const char *answer)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof address;
    *listener = (struct listener){.socket = socket(AF_INET, SOCK_STREAM, 0), .answer = answer};
    assert_int_equal(bind(listener->socket, (struct sockaddr *)&address, len), 0);
    assert_int_equal(listen(listener->socket, 1), 0);
    assert_int_equal(getsockname(listener->socket, (struct sockaddr *)&address, &len), 0);
    snprintf(listener->url, sizeof listener->url, "http://127.0.0.1:%d/varz?x=1",
             ntohs(address.sin_port));
    assert_int_equal(pthread_create(&listener->thread, NULL, listener_run, listener), 0);
}

static void listener_stop(struct listener *listener)
{
    pthread_join(listener->thread, NULL);
    close(listener->socket);
}

static void a_whole_answer(void **state)
{
    (void)state;
    static const char *const headers[] = {"X-One: 1", NULL};
    struct listener listener;
    struct http_get_answer answer;
    listener_start(&listener, "HTTP/1.1 503 Busy\r\nContent-Length: 5\r\n\r\nhello");
    struct http_get_options options = {.url = listener.url, .bearer = "token", .headers = headers};
    assert_true(http_get(&options, &answer));
    listener_stop(&listener);
    assert_int_equal(answer.failure, HTTP_GET_OK);
    assert_int_equal(answer.status, 503);
    assert_int_equal(answer.body_len, 5);
    assert_string_equal(answer.body, "hello");
    assert_string_equal(answer.error, "");
    assert_non_null(strstr(listener.request, "GET /varz?x=1 HTTP/1.1\r\n"));
    assert_non_null(strstr(listener.request, "Authorization: Bearer token\r\n"));
    assert_non_null(strstr(listener.request, "X-One: 1\r\n"));
    http_get_fini(&answer);
    assert_null(answer.body);
}

static void an_empty_answer_has_a_body_of_nothing(void **state)
{
    (void)state;
    struct listener listener;
    struct http_get_answer answer;
    listener_start(&listener, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
    assert_true(http_get(&(struct http_get_options){.url = listener.url}, &answer));
    listener_stop(&listener);
    assert_string_equal(answer.body, "");
    http_get_fini(&answer);
}

static void failures_have_no_body_and_a_reason(void **state)
{
    (void)state;
    static const struct {
        const char *answer;
        enum http_get_failure failure;
    } cases[] = {
        {"HTTP/1.1 200 OK\r\nContent-Length: 50\r\n\r\ncut", HTTP_GET_OTHER},
        {"HTTP/1.1 200 OK\r\nContent-Length: 20\r\n\r\n01234567890123456789", HTTP_GET_TOO_LARGE},
        {"nonsense\r\n", HTTP_GET_OTHER},
        {NULL, HTTP_GET_TIMEOUT}};
    for (size_t i = 0; i < array_length(cases); i++) {
        struct listener listener;
        struct http_get_answer answer;
        listener_start(&listener, cases[i].answer);
        int64_t start = clock_mono_ns();
        struct http_get_options options = {
            .url = listener.url, .timeout_ms = 200, .body_bytes_max = 10};
        assert_false(http_get(&options, &answer));
        assert_true(clock_mono_ns() - start < 5 * NS_PER_SEC);
        listener_stop(&listener);
        assert_int_equal(answer.failure, cases[i].failure);
        assert_null(answer.body);
        assert_true(strlen(answer.error) > 5);
        http_get_fini(&answer);
    }
}

static void nobody_there(void **state)
{
    (void)state;
    struct http_get_answer answer;
    assert_false(http_get(&(struct http_get_options){.url = "http://127.0.0.1:1/"}, &answer));
    assert_int_equal(answer.failure, HTTP_GET_CONNECT);
    assert_string_equal(http_get_failure_name(answer.failure), "connect");
    assert_false(http_get(&(struct http_get_options){.url = "file:///etc/hostname"}, &answer));
    assert_int_equal(answer.failure, HTTP_GET_OTHER);
    assert_null(answer.body);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_whole_answer),
        cmocka_unit_test(an_empty_answer_has_a_body_of_nothing),
        cmocka_unit_test(failures_have_no_body_and_a_reason),
        cmocka_unit_test(nobody_there),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
