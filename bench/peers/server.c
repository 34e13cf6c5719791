/* A Modbus TCP server that costs as little as it can: one epoll loop, FC3 only, changing registers.
 *
 *   server        prints its port, answers until its standard input ends, then prints its count
 *
 * It answers as many requests as one read brings in one write, so that it never limits a client that
 * keeps several in flight. */
#include "peer.h"
#include <fcntl.h>
#include <sys/epoll.h>

enum { IN_FLIGHT_MAX = 64, CLIENTS_MAX = 2048 };

static struct client {
    uint8_t in[IN_FLIGHT_MAX * REQUEST_BYTES];
    size_t held;
} clients[CLIENTS_MAX];

static uint64_t answered;

static void answer(int s, struct client *c)
{
    static uint8_t out[IN_FLIGHT_MAX * ANSWER_BYTES_MAX];
    size_t size = 0, at = 0;
    for (; c->held - at >= REQUEST_BYTES; at += REQUEST_BYTES) {
        const uint8_t *q = c->in + at;
        unsigned registers = q[11], bytes = 2 * registers;
        uint8_t *a = out + size;
        if (q[7] != 3 || q[10] != 0 || registers < 1 || registers > REGISTERS_MAX) {
            fprintf(stderr, "a request that this server does not know\n");
            exit(1);
        }
        memcpy(a, q, 8);
        a[4] = 0;
        a[5] = (uint8_t)(3 + bytes);
        a[8] = (uint8_t)bytes;
        for (unsigned i = 0; i < registers; i++) {
            uint16_t value = (uint16_t)(answered + i * 7);
            a[ANSWER_HEAD_BYTES + 2 * i] = (uint8_t)(value >> 8);
            a[ANSWER_HEAD_BYTES + 2 * i + 1] = (uint8_t)value;
        }
        size += ANSWER_HEAD_BYTES + bytes;
        answered++;
    }
    c->held -= at;
    memmove(c->in, c->in + at, c->held);
    if (size && send(s, out, size, MSG_NOSIGNAL) != (ssize_t)size)
        die("send");
}

static void serve(int listener, int loop)
{
    struct epoll_event events[64];
    for (;;) {
        int n = epoll_wait(loop, events, 64, -1);
        for (int i = 0; i < n; i++) {
            int s = events[i].data.fd;
            if (s == STDIN_FILENO)
                return;
            if (s == listener) {
                int one = 1, fresh = accept(listener, NULL, NULL);
                struct epoll_event e = {.events = EPOLLIN, .data.fd = fresh};
                if (fresh < 0 || fresh >= CLIENTS_MAX)
                    die("accept");
                setsockopt(fresh, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
                clients[fresh].held = 0;
                epoll_ctl(loop, EPOLL_CTL_ADD, fresh, &e);
                continue;
            }
            struct client *c = &clients[s];
            ssize_t got = recv(s, c->in + c->held, sizeof c->in - c->held, 0);
            if (got <= 0) {
                close(s);
                continue;
            }
            c->held += (size_t)got;
            answer(s, c);
        }
    }
}

int main(void)
{
    struct sockaddr_in a = {.sin_family = AF_INET};
    socklen_t size = sizeof a;
    int loop = epoll_create1(0), listener = socket(AF_INET, SOCK_STREAM, 0);
    struct epoll_event e = {.events = EPOLLIN, .data.fd = listener};
    struct epoll_event end = {.events = EPOLLIN, .data.fd = STDIN_FILENO};
    a.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (bind(listener, (struct sockaddr *)&a, sizeof a) < 0 || listen(listener, 1024) < 0)
        die("listen");
    getsockname(listener, (struct sockaddr *)&a, &size);
    epoll_ctl(loop, EPOLL_CTL_ADD, listener, &e);
    epoll_ctl(loop, EPOLL_CTL_ADD, STDIN_FILENO, &end);
    printf("%d\n", ntohs(a.sin_port));
    fflush(stdout);
    serve(listener, loop);
    printf("%llu\n", (unsigned long long)answered);
    return 0;
}
