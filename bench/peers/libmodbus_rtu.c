/* libmodbus on a serial port, one request after the other, as its manual shows it.
 *
 *   libmodbus_rtu PATH BAUD REQUESTS REGISTERS */
#include "peer.h"
#include <modbus/modbus.h>

int main(int argc, char **argv)
{
    if (argc != 5)
        return 2;
    long requests = atol(argv[3]);
    int registers = atoi(argv[4]);
    uint16_t values[REGISTERS_MAX];
    modbus_t *m = modbus_new_rtu(argv[1], atoi(argv[2]), 'N', 8, 1);
    if (!m || modbus_set_slave(m, 1) < 0 || modbus_connect(m) < 0)
        die("modbus_connect");
    modbus_set_response_timeout(m, 2, 0);
    int64_t wall = now_ns(), cpu = cpu_ns(), waits = switches();
    for (long i = 0; i < requests; i++)
        if (modbus_read_registers(m, 0, registers, values) != registers)
            die("modbus_read_registers");
    report(requests, now_ns() - wall, cpu_ns() - cpu, switches() - waits, NULL);
    modbus_close(m);
    modbus_free(m);
    return 0;
}
