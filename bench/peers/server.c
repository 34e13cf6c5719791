/* A Modbus TCP server that costs as little as it can: FC3 only, changing registers, a thread for each connection,
 * so that devices are as independent of each other as in a plant: no answer waits for another one's, and none
 * travels with one.
 *
 *   server        prints its port, answers until its standard input ends, then prints its count */
#include "peer.h"

static uint64_t answered_all;

struct connection {
    int s;
    uint64_t answered;
};

static size_t answer_one(void *whose, const uint8_t *q, uint8_t *out)
{
    struct connection *c = whose;
    unsigned registers = begin_answer(q, out, UINT16_MAX + 1);
    for (unsigned i = 0; i < registers; i++)
        put_register(out, i, (uint16_t)(c->answered + i * 7));
    c->answered++;
    return ANSWER_HEAD_BYTES + 2 * registers;
}

static void *serve(void *argument)
{
    struct connection c = {.s = (int)(intptr_t)argument};
    int one = 1;
    setsockopt(c.s, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    serve_connection(c.s, answer_one, &c);
    close(c.s);
    __atomic_add_fetch(&answered_all, c.answered, __ATOMIC_RELAXED);
    return NULL;
}

static _Noreturn void *welcome(void *argument)
{
    int listener = (int)(intptr_t)argument;
    for (;;) {
        int s = accept(listener, NULL, NULL);
        if (s < 0)
            die("accept");
        begin_thread(serve, (void *)(intptr_t)s);
    }
}

int main(void)
{
    struct sockaddr_in a = {.sin_family = AF_INET};
    socklen_t size = sizeof a;
    int listener = socket(AF_INET, SOCK_STREAM, 0);
    a.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (bind(listener, (struct sockaddr *)&a, sizeof a) < 0 || listen(listener, 1024) < 0)
        die("listen");
    getsockname(listener, (struct sockaddr *)&a, &size);
    begin_thread(welcome, (void *)(intptr_t)listener);
    printf("%d\n", ntohs(a.sin_port));
    fflush(stdout);
    wait_for_end_of_input();
    printf("%llu\n", (unsigned long long)__atomic_load_n(&answered_all, __ATOMIC_RELAXED));
    return 0;
}
