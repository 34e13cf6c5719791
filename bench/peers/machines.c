/* Many Modbus TCP machines, each with an address, registers, a connection and a thread of its own.
 *
 *   machines COUNT     prints their port; machine N (from 0) listens on 127.1.(N / 250).(N % 250 + 1).
 *                      Prints "asked" when the first of them has answered, "all" when each has. Goes on
 *                      until its standard input ends, then prints how many requests were answered
 *
 * FC3, registers 0 to 1023. Of three neighbours one never changes, one counts the requests of its machine,
 * one is noise within three bits. No machine knows of another: whatever order they are asked in, each
 * answers from its own state, when its own thread runs. */
#include "peer.h"

enum { MACHINES_MAX = 4000, REGISTERS = 1024, FILES_BESIDE = 64 };

struct machine {
    uint32_t noise, answered;
    int number, listener;
};

static uint64_t answered_all;
static int count_all, machines_asked;

static uint16_t value_of(struct machine *m, unsigned address)
{
    uint16_t base = (uint16_t)(1000 + m->number * 7 + address * 13);
    if (address % 3 == 0)
        return base;
    if (address % 3 == 1)
        return (uint16_t)(base + m->answered);
    m->noise = m->noise * 1664525u + 1013904223u;
    return (uint16_t)(base + (m->noise >> 29));
}

/* A machine was asked for the first time. */
static void note_asked(void)
{
    int asked = __atomic_add_fetch(&machines_asked, 1, __ATOMIC_SEQ_CST);
    if (asked == 1)
        puts("asked");
    if (asked == count_all)
        puts("all");
    fflush(stdout);
}

static size_t answer_one(void *whose, const uint8_t *q, uint8_t *out)
{
    struct machine *m = whose;
    unsigned first = (unsigned)(q[8] << 8 | q[9]), count = begin_answer(q, out, REGISTERS);
    for (unsigned i = 0; i < count; i++)
        put_register(out, i, value_of(m, first + i));
    if (!m->answered++)
        note_asked();
    __atomic_add_fetch(&answered_all, 1, __ATOMIC_RELAXED);
    return ANSWER_HEAD_BYTES + 2 * count;
}

/* One connection after the other, as machines with little room do. */
static _Noreturn void *live(void *argument)
{
    struct machine *m = argument;
    for (;;) {
        int one = 1, s = accept(m->listener, NULL, NULL);
        if (s < 0)
            die("accept");
        setsockopt(s, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
        serve_connection(s, answer_one, m);
        close(s);
    }
}

int main(int argc, char **argv)
{
    int count = argc > 1 ? atoi(argv[1]) : 0;
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
    struct machine *machines = calloc((size_t)count, sizeof *machines);
    for (int i = 0; i < count; i++) {
        int one = 1, listener = socket(AF_INET, SOCK_STREAM, 0);
        machines[i] = (struct machine){.noise = (uint32_t)i + 1, .number = i, .listener = listener};
        setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
        a.sin_addr.s_addr = htonl(0x7f010000u | (uint32_t)(i / 250) << 8 | (uint32_t)(i % 250 + 1));
        if (bind(listener, (struct sockaddr *)&a, sizeof a) < 0 || listen(listener, 8) < 0)
            die("listen");
        getsockname(listener, (struct sockaddr *)&a, &size); /* the first one's port is all others' */
    }
    for (int i = 0; i < count; i++)
        begin_thread(live, &machines[i]);
    printf("%d\n", ntohs(a.sin_port));
    fflush(stdout);
    wait_for_end_of_input();
    printf("%llu\n", (unsigned long long)__atomic_load_n(&answered_all, __ATOMIC_RELAXED));
    return 0;
}
