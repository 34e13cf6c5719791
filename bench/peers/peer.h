/* What the peers share: clocks, a loopback connection, FC3 frames, and the one line they print. */
#ifndef PEER_H
#define PEER_H

#include <arpa/inet.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

/* Modbus Application Protocol V1.1b3 section 6.3; MBAP header: Messaging on TCP/IP V1.0b section 3.1.3 */
enum { REQUEST_BYTES = 12, ANSWER_HEAD_BYTES = 9, REGISTERS_MAX = 125 };
enum { ANSWER_BYTES_MAX = ANSWER_HEAD_BYTES + 2 * REGISTERS_MAX };

static inline void die(const char *what)
{
    perror(what);
    exit(1);
}

static inline int64_t now_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec * 1000000000LL + t.tv_nsec;
}

/* User and system time of the whole process. */
static inline int64_t cpu_ns(void)
{
    struct rusage r;
    getrusage(RUSAGE_SELF, &r);
    return (r.ru_utime.tv_sec + r.ru_stime.tv_sec) * 1000000000LL +
           (r.ru_utime.tv_usec + r.ru_stime.tv_usec) * 1000LL;
}

static inline int64_t switches(void)
{
    struct rusage r;
    getrusage(RUSAGE_SELF, &r);
    return r.ru_nvcsw;
}

static inline int connect_to(int port)
{
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
    int one = 1, s = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    a.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (s < 0 || connect(s, (struct sockaddr *)&a, sizeof a) < 0)
        die("connect");
    setsockopt(s, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    return s;
}

/* What a server's machine does: takes whole requests from its connection, gives each to `answer_one`, which fills
 * `out` and returns its size, and sends each answer on its own as a machine does. Returns when the peer hangs up. */
static inline void serve_connection(int s, size_t (*answer_one)(void *, const uint8_t *, uint8_t *), void *whose)
{
    enum { IN_FLIGHT_MAX = 64 };
    uint8_t in[IN_FLIGHT_MAX * REQUEST_BYTES], out[ANSWER_BYTES_MAX];
    size_t held = 0;
    ssize_t got;
    while ((got = recv(s, in + held, sizeof in - held, 0)) > 0) {
        size_t at = 0;
        for (held += (size_t)got; held - at >= REQUEST_BYTES; at += REQUEST_BYTES) {
            size_t size = answer_one(whose, in + at, out);
            if (send(s, out, size, MSG_NOSIGNAL) != (ssize_t)size)
                return;
        }
        held -= at;
        memmove(in, in + at, held);
    }
}

/* The head of the answer to request `q`, whose registers lie below `end`; exits where it is no such request. */
static inline unsigned begin_answer(const uint8_t *q, uint8_t *out, unsigned end)
{
    unsigned first = (unsigned)(q[8] << 8 | q[9]), registers = q[11];
    if (q[7] != 3 || q[10] != 0 || registers < 1 || registers > REGISTERS_MAX || first + registers > end) {
        fprintf(stderr, "a request that this server does not know\n");
        exit(1);
    }
    memcpy(out, q, 8);
    out[4] = 0;
    out[5] = (uint8_t)(3 + 2 * registers);
    out[8] = (uint8_t)(2 * registers);
    return registers;
}

static inline void put_register(uint8_t *out, unsigned index, uint16_t value)
{
    out[ANSWER_HEAD_BYTES + 2 * index] = (uint8_t)(value >> 8);
    out[ANSWER_HEAD_BYTES + 2 * index + 1] = (uint8_t)value;
}

/* A thread of little memory that nobody waits for. */
static inline void begin_thread(void *(*body)(void *), void *argument)
{
    pthread_t thread;
    pthread_attr_t small;
    pthread_attr_init(&small);
    pthread_attr_setstacksize(&small, 64 << 10);
    if (pthread_create(&thread, &small, body, argument) != 0 || pthread_detach(thread) != 0)
        die("pthread_create");
    pthread_attr_destroy(&small);
}

static inline void wait_for_end_of_input(void)
{
    char ignored[64];
    while (read(STDIN_FILENO, ignored, sizeof ignored) > 0)
        ;
}

static inline void put_request(uint8_t *p, uint16_t id, int registers)
{
    const uint8_t frame[REQUEST_BYTES] = {
        (uint8_t)(id >> 8), (uint8_t)id, 0, 0, 0, 6, 1, 3, 0, 0, 0, (uint8_t)registers};
    memcpy(p, frame, sizeof frame);
}

/* Decodes an answer's registers; exits when it is not the answer to `id`. */
static inline double take_answer(const uint8_t *p, uint16_t id, int registers, double *values)
{
    double sum = 0;
    if (p[0] != id >> 8 || p[1] != (id & 0xff) || p[7] != 3 || p[8] != 2 * registers) {
        fprintf(stderr, "not the answer asked for\n");
        exit(1);
    }
    for (int i = 0; i < registers; i++) {
        const uint8_t *r = p + ANSWER_HEAD_BYTES + 2 * i;
        values[i] = (int16_t)(r[0] << 8 | r[1]);
        sum += values[i];
    }
    return sum;
}

static inline int by_size(const void *a, const void *b)
{
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
    return (x > y) - (x < y);
}

/* One JSON object. `late`: how late each request was sent, ns; sorted here. NULL where none was due. */
static inline void report(int64_t requests, int64_t wall, int64_t cpu, int64_t waits, int64_t *late)
{
    printf("{\"requests\": %lld, \"wall_ns\": %lld, \"cpu_ns\": %lld, \"switches\": %lld",
           (long long)requests, (long long)wall, (long long)cpu, (long long)waits);
    if (late && requests) {
        qsort(late, (size_t)requests, sizeof *late, by_size);
        printf(", \"late_p50_ns\": %lld, \"late_p99_ns\": %lld", (long long)late[requests / 2],
               (long long)late[requests * 99 / 100]);
    }
    printf("}\n");
}

#endif
