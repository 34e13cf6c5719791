/* libmodbus as its manual shows it: one connection, one request in flight, no decoding.
 *
 *   libmodbus_client PORT REQUESTS REGISTERS */
#include "peer.h"
#include <modbus/modbus.h>

int main(int argc, char **argv)
{
    if (argc != 4)
        return 2;
    long requests = atol(argv[2]);
    int registers = atoi(argv[3]);
    uint16_t values[REGISTERS_MAX];
    modbus_t *m = modbus_new_tcp("127.0.0.1", atoi(argv[1]));
    if (!m || modbus_connect(m) < 0)
        die("modbus_connect");
    modbus_set_slave(m, 1);
    int64_t wall = now_ns(), cpu = cpu_ns(), waits = switches();
    for (long i = 0; i < requests; i++)
        if (modbus_read_registers(m, 0, registers, values) != registers)
            die("modbus_read_registers");
    report(requests, now_ns() - wall, cpu_ns() - cpu, switches() - waits, NULL);
    modbus_close(m);
    modbus_free(m);
    return 0;
}
