/* Many devices with libmodbus: a thread each, sleeping to its next due time.
 *
 *   libmodbus_poller PORT DEVICES PERIOD_US REGISTERS SCANS */
#include "peer.h"
#include <modbus/modbus.h>
#include <pthread.h>

static int port, devices, registers;
static int64_t period, start, *late;
static long scans;

static void *poll_device(void *argument)
{
    long device = (long)argument;
    uint16_t values[REGISTERS_MAX];
    modbus_t *m = modbus_new_tcp("127.0.0.1", port);
    if (!m || modbus_connect(m) < 0)
        die("modbus_connect");
    modbus_set_slave(m, 1);
    for (long i = 0; i < scans; i++) {
        int64_t due = start + i * period;
        struct timespec t = {.tv_sec = due / 1000000000, .tv_nsec = due % 1000000000};
        clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &t, NULL);
        late[device * scans + i] = now_ns() - due;
        if (modbus_read_registers(m, 0, registers, values) != registers)
            die("modbus_read_registers");
    }
    modbus_close(m);
    modbus_free(m);
    return NULL;
}

int main(int argc, char **argv)
{
    if (argc != 6)
        return 2;
    port = atoi(argv[1]), devices = atoi(argv[2]), registers = atoi(argv[4]);
    period = atoll(argv[3]) * 1000, scans = atol(argv[5]);
    pthread_t *threads = calloc((size_t)devices, sizeof *threads);
    late = calloc((size_t)(devices * scans), sizeof *late);
    int64_t cpu = cpu_ns(), waits = switches();
    start = now_ns() + 200000000;
    for (long i = 0; i < devices; i++)
        if (pthread_create(&threads[i], NULL, poll_device, (void *)i))
            die("pthread_create");
    for (int i = 0; i < devices; i++)
        pthread_join(threads[i], NULL);
    report(devices * scans, now_ns() - start, cpu_ns() - cpu, switches() - waits, late);
    return 0;
}
