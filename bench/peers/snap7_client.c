/* Snap7's client as its manual shows it: a thread a CPU, one connection, one job at a time; a block by Cli_DBRead, or
 * places by Cli_ReadMultiVars, 20 at once; then each value as a double.
 *
 *   snap7_client LIBRARY PORT CPUS SCANS PERIOD_US VALUES STEP
 *
 * STEP: bytes from one value to the next. 4: they are one block. */
#include "peer.h"
#include <dlfcn.h>

enum { VALUE = 4, ITEMS = 20, DB_AREA = 0x84, AS_BYTES = 2, REMOTE_PORT = 2, PDU_REQUEST = 10, PDU = 960 };

struct item { int area, word, result, db, start, amount; void *data; };

static void *library;

static void *symbol(const char *name)
{
    void *found = dlsym(library, name);
    if (!found) {
        fprintf(stderr, "%s\n", dlerror());
        exit(1);
    }
    return found;
}

static struct {
    uintptr_t (*create)(void);
    int (*set)(uintptr_t, int, void *);
    int (*connect_to_cpu)(uintptr_t, const char *, int, int);
    int (*read_block)(uintptr_t, int, int, int, void *);
    int (*read_items)(uintptr_t, struct item *, int);
} snap7;
static uint16_t port;
static long scans;
static int64_t period, begun;
static int values, step;
static pthread_barrier_t connected;

/* One CPU, at 127.1.0.NUMBER. */
static void *read_cpu(void *number)
{
    int pdu = PDU;
    char host[32];
    uint8_t *raw = calloc((size_t)values, VALUE);
    double *shown = calloc((size_t)values, sizeof *shown), sum = 0;
    struct item *items = calloc((size_t)values, sizeof *items);
    uintptr_t client = snap7.create();
    snprintf(host, sizeof host, "127.1.0.%d", (int)(intptr_t)number);
    snap7.set(client, REMOTE_PORT, &port);
    snap7.set(client, PDU_REQUEST, &pdu);
    if (!raw || !shown || !items || snap7.connect_to_cpu(client, host, 0, 1) != 0)
        die("Cli_ConnectTo");
    for (int i = 0; i < values; i++)
        items[i] = (struct item){DB_AREA, AS_BYTES, 0, 1, i * step, VALUE, raw + VALUE * i};
    pthread_barrier_wait(&connected);
    pthread_barrier_wait(&connected);
    for (long scan = 0; scan < scans; scan++) {
        int64_t due = begun + scan * period;
        struct timespec at = {due / 1000000000LL, due % 1000000000LL};
        clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &at, NULL);
        if (step == VALUE) {
            if (snap7.read_block(client, 1, 0, values * VALUE, raw) != 0)
                die("Cli_DBRead");
        } else {
            for (int i = 0; i < values; i += ITEMS)
                if (snap7.read_items(client, items + i, values - i < ITEMS ? values - i : ITEMS) != 0)
                    die("Cli_ReadMultiVars");
        }
        for (int i = 0; i < values; i++) {
            const uint8_t *p = raw + VALUE * i;
            uint32_t bits = (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
            float value;
            memcpy(&value, &bits, sizeof value);
            shown[i] = value;
            sum += value;
        }
    }
    if (sum == 0) {
        fprintf(stderr, "nothing but zeros\n");
        exit(1);
    }
    return NULL;
}

int main(int argc, char **argv)
{
    if (argc != 8 || !(library = dlopen(argv[1], RTLD_NOW)))
        return 2;
    snap7.create = symbol("Cli_Create");
    snap7.set = symbol("Cli_SetParam");
    snap7.connect_to_cpu = symbol("Cli_ConnectTo");
    snap7.read_block = symbol("Cli_DBRead");
    snap7.read_items = symbol("Cli_ReadMultiVars");
    port = (uint16_t)atoi(argv[2]);
    int cpus = atoi(argv[3]);
    scans = atol(argv[4]);
    period = atol(argv[5]) * 1000LL;
    values = atoi(argv[6]), step = atoi(argv[7]);
    pthread_t *threads = calloc((size_t)cpus, sizeof *threads);
    pthread_barrier_init(&connected, NULL, (unsigned)cpus + 1);
    for (int n = 0; n < cpus; n++)
        if (!threads || pthread_create(&threads[n], NULL, read_cpu, (void *)(intptr_t)(n + 1)) != 0)
            die("pthread_create");
    pthread_barrier_wait(&connected);
    begun = now_ns();
    int64_t cpu = cpu_ns(), waits = switches();
    pthread_barrier_wait(&connected);
    for (int n = 0; n < cpus; n++)
        pthread_join(threads[n], NULL);
    report(scans * cpus, now_ns() - begun, cpu_ns() - cpu, switches() - waits, NULL);
    return 0;
}
