/* Many Modbus TCP machines, each with an address, registers and a connection of its own.
 *
 *   machines COUNT     prints their port; machine N (from 0) listens on 127.1.(N / 250).(N % 250 + 1).
 *                      Prints "asked" when the first of them has answered, "all" when each has. Goes on
 *                      until its standard input ends, then prints how many requests were answered
 *
 * FC3, registers 0 to 1023. Of three neighbours one never changes, one counts the requests of its machine,
 * one is noise within three bits. No machine knows of another: whatever order they are asked in, each
 * answers from its own state. */
#include "peer.h"
#include <fcntl.h>
#include <sys/epoll.h>

enum { MACHINES_MAX = 4000, REGISTERS = 1024, IN_FLIGHT_MAX = 16, FILES_BESIDE = 64 };

struct machine {
    uint32_t noise, answered;
    int connection;
    size_t held;
    uint8_t in[IN_FLIGHT_MAX * REQUEST_BYTES];
};

static struct machine *machines;
static uint64_t answered;
static int count_all, machines_asked;

static uint16_t value_of(struct machine *m, unsigned address)
{
    uint16_t base = (uint16_t)(1000 + (m - machines) * 7 + address * 13);
    if (address % 3 == 0)
        return base;
    if (address % 3 == 1)
        return (uint16_t)(base + m->answered);
    m->noise = m->noise * 1664525u + 1013904223u;
    return (uint16_t)(base + (m->noise >> 29));
}

static void answer(struct machine *m)
{
    static uint8_t out[IN_FLIGHT_MAX * ANSWER_BYTES_MAX];
    size_t size = 0, at = 0;
    int asked_before = machines_asked;
    for (; m->held - at >= REQUEST_BYTES; at += REQUEST_BYTES) {
        const uint8_t *q = m->in + at;
        unsigned first = (unsigned)(q[8] << 8 | q[9]), count = q[11];
        uint8_t *a = out + size;
        if (q[7] != 3 || q[10] != 0 || count < 1 || count > REGISTERS_MAX || first + count > REGISTERS) {
            fprintf(stderr, "a request that these machines do not know\n");
            exit(1);
        }
        memcpy(a, q, 8);
        a[4] = 0;
        a[5] = (uint8_t)(3 + 2 * count);
        a[8] = (uint8_t)(2 * count);
        for (unsigned i = 0; i < count; i++) {
            uint16_t value = value_of(m, first + i);
            a[ANSWER_HEAD_BYTES + 2 * i] = (uint8_t)(value >> 8);
            a[ANSWER_HEAD_BYTES + 2 * i + 1] = (uint8_t)value;
        }
        size += ANSWER_HEAD_BYTES + 2 * count;
        machines_asked += !m->answered++;
        answered++;
    }
    m->held -= at;
    memmove(m->in, m->in + at, m->held);
    if (size && send(m->connection, out, size, MSG_NOSIGNAL) != (ssize_t)size)
        die("send");
    if (machines_asked > asked_before) {
        if (asked_before == 0)
            puts("asked");
        if (machines_asked == count_all)
            puts("all");
        fflush(stdout);
    }
}

static void watch(int loop, int fd, uint64_t mark)
{
    struct epoll_event e = {.events = EPOLLIN, .data.u64 = mark};
    if (epoll_ctl(loop, EPOLL_CTL_ADD, fd, &e) < 0)
        die("epoll_ctl");
}

/* Marks of the loop: a machine's number twice, plus one for its listener. */
static void serve(int loop, const int *listeners, uint64_t end)
{
    struct epoll_event events[64];
    for (;;) {
        int n = epoll_wait(loop, events, 64, -1);
        for (int i = 0; i < n; i++) {
            uint64_t mark = events[i].data.u64;
            struct machine *m = &machines[mark / 2];
            if (mark == end)
                return;
            if (mark % 2) {
                int one = 1, fresh = accept(listeners[mark / 2], NULL, NULL);
                if (fresh < 0)
                    die("accept");
                if (m->connection >= 0)
                    close(m->connection);
                setsockopt(fresh, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
                m->connection = fresh;
                m->held = 0;
                watch(loop, fresh, mark - 1);
                continue;
            }
            ssize_t got = recv(m->connection, m->in + m->held, sizeof m->in - m->held, 0);
            if (got <= 0) {
                close(m->connection);
                m->connection = -1;
                continue;
            }
            m->held += (size_t)got;
            answer(m);
        }
    }
}

int main(int argc, char **argv)
{
    int count = argc > 1 ? atoi(argv[1]) : 0, loop = epoll_create1(0);
    struct rlimit files;
    struct sockaddr_in a = {.sin_family = AF_INET};
    socklen_t size = sizeof a;
    if (count < 1 || count > MACHINES_MAX) {
        fprintf(stderr, "machines COUNT: 1 to %d\n", MACHINES_MAX);
        return 2;
    }
    getrlimit(RLIMIT_NOFILE, &files);
    files.rlim_cur = (rlim_t)(2 * count + FILES_BESIDE);
    if (files.rlim_cur > files.rlim_max || setrlimit(RLIMIT_NOFILE, &files) < 0)
        die("a listener and a connection a machine");
    count_all = count;
    machines = calloc((size_t)count, sizeof *machines);
    int *listeners = calloc((size_t)count, sizeof *listeners);
    for (int i = 0; i < count; i++) {
        int one = 1;
        machines[i] = (struct machine){.noise = (uint32_t)i + 1, .connection = -1};
        listeners[i] = socket(AF_INET, SOCK_STREAM, 0);
        setsockopt(listeners[i], SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
        a.sin_addr.s_addr = htonl(0x7f010000u | (uint32_t)(i / 250) << 8 | (uint32_t)(i % 250 + 1));
        if (bind(listeners[i], (struct sockaddr *)&a, sizeof a) < 0 || listen(listeners[i], 8) < 0)
            die("listen");
        getsockname(listeners[i], (struct sockaddr *)&a, &size); /* the first one's port is all others' */
        watch(loop, listeners[i], 2 * (uint64_t)i + 1);
    }
    watch(loop, STDIN_FILENO, 2 * (uint64_t)count);
    printf("%d\n", ntohs(a.sin_port));
    fflush(stdout);
    serve(loop, listeners, 2 * (uint64_t)count);
    printf("%llu\n", (unsigned long long)answered);
    return 0;
}
