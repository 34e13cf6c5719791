/* The slaves of a serial line on a pseudo-terminal that takes the time a wire would take: Modbus RTU units, and
 * DL/T 645-2007 meters that all give a voltage.
 *
 *   rtu_slave BAUD ANSWER_US [MODBUS_BITS METER_BAUD METER_BITS]
 *
 * Prints the terminal's path, answers until its standard input ends, then prints one JSON object: requests, the time
 * between the first and the last of them, how much of it the wire and the slaves need for them, how many came inside
 * the silence of 3.5 characters (1.75 ms above 19,200 baud: Serial Line V1.02 section 2.5.1.1) after an answer, how
 * many came by another baud than theirs, and the most and fewest that one slave was asked.
 *
 * A request is on the wire for its characters from the moment it is read here; then come the silence, the slave's own
 * time, and the answer in slices of a millisecond, its last byte exactly when due. Where the line changes its baud the
 * longer of both silences counts. */
#define _GNU_SOURCE
#include "peer.h"
#include <asm/termbits.h> /* not <termios.h>: it has no free choice of the baud */
#include <fcntl.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>

enum { REQUEST = 8, METER_REQUEST = 16, SLICE_NS = 1000000, SPIN_NS = 100000, SLAVES = 16 };

typedef struct { /* of a kind of slaves */
    unsigned baud;
    int64_t char_ns, silence_ns;
} line_t;

static line_t line_of(int baud, int bits)
{
    line_t l = {.baud = (unsigned)baud, .char_ns = bits * 1000000000LL / baud};
    l.silence_ns = baud > 19200 ? 1750000 : 7 * l.char_ns / 2;
    return l;
}

static uint16_t crc16(const uint8_t *p, size_t n)
{
    uint16_t c = 0xffff;
    while (n--) {
        c ^= *p++;
        for (int i = 0; i < 8; i++)
            c = (uint16_t)(c & 1 ? c >> 1 ^ 0xa001 : c >> 1);
    }
    return c;
}

static uint8_t sum8(const uint8_t *p, size_t n)
{
    uint8_t sum = 0;
    while (n--)
        sum = (uint8_t)(sum + *p++);
    return sum;
}

/* A sleep ends late, a wire is not: the last of it is spent spinning. */
static void sleep_until(int64_t at)
{
    int64_t wake = at - SPIN_NS;
    struct timespec t = {.tv_sec = wake / 1000000000, .tv_nsec = wake % 1000000000};
    clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &t, NULL);
    while (now_ns() < at)
        ;
}

/* Waits for input: awake around the moment `soon` when the next request is due, else asleep. */
static void wait_for_input(struct pollfd *fds, int64_t soon)
{
    if (poll(fds, 2, 0) != 0)
        return;
    for (int64_t now = now_ns(); now < soon + SPIN_NS; now = now_ns()) {
        struct timespec nap = {.tv_nsec = soon - SPIN_NS - now};
        if (ppoll(fds, 2, nap.tv_nsec > 0 ? &nap : &(struct timespec){0}, NULL) != 0)
            return;
    }
    poll(fds, 2, -1);
}

/* Writes an answer at the wire's pace; returns the last moment when its last byte was not there yet. */
static int64_t speak(int master, const uint8_t *out, size_t size, int64_t begins, int64_t char_ns)
{
    int64_t ends = begins + (int64_t)size * char_ns, before = ends;
    size_t sent = 0;
    for (int64_t at = begins + SLICE_NS; sent < size; at += SLICE_NS) {
        at = at < ends ? at : ends;
        sleep_until(at);
        size_t there = (size_t)((at - begins) / char_ns);
        before = now_ns();
        if (write(master, out + sent, there - sent) != (ssize_t)(there - sent))
            die("write");
        sent = there;
    }
    return before;
}

static size_t modbus_answer(const uint8_t *request, uint8_t *out)
{
    size_t size = 3 + 2 * (size_t)request[5];
    if (crc16(request, REQUEST) != 0 || request[1] != 3 || request[5] > REGISTERS_MAX) {
        fprintf(stderr, "not a request that this slave knows\n");
        exit(1);
    }
    out[0] = request[0], out[1] = 3, out[2] = (uint8_t)(2 * request[5]);
    for (size_t i = 3; i < size; i++)
        out[i] = (uint8_t)(i * 37);
    uint16_t crc = crc16(out, size);
    out[size++] = (uint8_t)crc;
    out[size++] = (uint8_t)(crc >> 8);
    return size;
}

/* `request` from its first 68 on; DL/T 645-2007 section 7: control code 11 asks, 91 answers, data + 33H. */
static size_t meter_answer(const uint8_t *request, uint8_t *out)
{
    if (request[7] != 0x68 || request[8] != 0x11 || sum8(request, 14) != request[14]) {
        fprintf(stderr, "not a request that this meter knows\n");
        exit(1);
    }
    memset(out, 0xFE, 4);
    memcpy(out + 4, request, 8);
    out[12] = 0x91, out[13] = 6;
    memcpy(out + 14, request + 10, 4);
    out[18] = 0x35 + 0x33, out[19] = 0x22 + 0x33; /* 223.5 V */
    out[20] = sum8(out + 4, 16);
    out[21] = 0x16;
    return 22;
}

static void read_more(int master, uint8_t *request, size_t *have, size_t size)
{
    while (*have < size) {
        ssize_t got = read(master, request + *have, size - *have);
        if (got <= 0)
            die("read");
        *have += (size_t)got;
    }
}

int main(int argc, char **argv)
{
    if (argc != 3 && argc != 6)
        return 2;
    int baud = atoi(argv[1]), master = posix_openpt(O_RDWR | O_NOCTTY), held;
    int64_t first = 0, last = 0, answered = 0, needed = 0, turn = 0, answer_ns = atoll(argv[2]) * 1000;
    long requests = 0, early = 0, wrong = 0, asked[SLAVES] = {0};
    line_t modbus = line_of(baud, argc == 6 ? atoi(argv[3]) : 10), before = modbus;
    line_t meters = argc == 6 ? line_of(atoi(argv[4]), atoi(argv[5])) : modbus;
    struct termios2 set;
    if (grantpt(master) || unlockpt(master) || (held = open(ptsname(master), O_RDWR | O_NOCTTY)) < 0)
        die("pty"); /* held open: a client that goes must not hang the master up */
    if (ioctl(held, TCGETS2, &set) < 0)
        die("TCGETS2");
    set.c_iflag = set.c_oflag = set.c_lflag = 0; /* raw */
    if (ioctl(held, TCSETS2, &set) < 0)
        die("TCSETS2");
    prctl(PR_SET_TIMERSLACK, 1); /* 50 us late in each sleep would be the slave's, not the master's */
    printf("%s\n", ptsname(master));
    fflush(stdout);
    for (;;) {
        uint8_t request[REQUEST + METER_REQUEST], out[256];
        struct pollfd fds[2] = {{.fd = master, .events = POLLIN}, {.fd = 0, .events = POLLIN}};
        wait_for_input(fds, answered + before.silence_ns);
        if (fds[1].revents)
            break;
        int64_t came = now_ns();
        size_t have = 0, size = REQUEST, awake = 0;
        read_more(master, request, &have, REQUEST);
        while (awake < have && request[awake] == 0xFE)
            awake++;
        const line_t *line = &modbus;
        long *own = &asked[request[0] % SLAVES];
        if (argc == 6 && (awake || request[0] == 0x68)) {
            line = &meters;
            size = awake + METER_REQUEST;
            read_more(master, request, &have, size);
            own = &asked[(8 + request[awake + 1]) % SLAVES];
        }
        int64_t silence_ns = line->silence_ns > before.silence_ns ? line->silence_ns : before.silence_ns;
        if (answered && came < answered + silence_ns)
            early++;
        if (ioctl(held, TCGETS2, &set) < 0 || set.c_ospeed != line->baud)
            wrong++;
        needed += first ? turn + silence_ns : 0;
        first = first ? first : came;
        last = came;
        requests++;
        (*own)++;
        int64_t begins = came + (int64_t)size * line->char_ns + line->silence_ns + answer_ns;
        size_t said = line == &meters && argc == 6 && size != REQUEST ? meter_answer(request + awake, out)
                                                                       : modbus_answer(request, out);
        answered = speak(master, out, said, begins, line->char_ns);
        turn = begins - came + (int64_t)said * line->char_ns;
        before = *line;
    }
    long most = 0, fewest = requests;
    for (int i = 0; i < SLAVES; i++) {
        most = asked[i] > most ? asked[i] : most;
        fewest = asked[i] && asked[i] < fewest ? asked[i] : fewest;
    }
    printf("{\"asked\": %ld, \"span_ns\": %lld, \"needed_ns\": %lld, \"early\": %ld, \"wrong_baud\": %ld, "
           "\"most\": %ld, \"fewest\": %ld}\n",
           requests, (long long)(last - first), (long long)needed, early, wrong, most, fewest);
    return 0;
}
