/* A Modbus server made of libmodbus, for the tests: the table in a file, over TCP or a serial port.
 *
 *   libmodbus_server TABLE tcp            any free port of 127.0.0.1, said as "ready PORT"
 *   libmodbus_server TABLE rtu PATH BAUD  unit 1 on a serial port, 8N1, said as "ready"
 *
 * TABLE has lines "SPACE ADDRESS VALUE". Serves until it is killed.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <modbus.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/select.h>
#include <sys/socket.h>
#include <unistd.h>

enum { ADDRESSES = 1000 };

static int load(modbus_mapping_t *map, const char *path)
{
    char space[16];
    unsigned address, value;
    FILE *file = fopen(path, "r");

    if (file == NULL)
        return -1;
    while (fscanf(file, "%15s %u %u", space, &address, &value) == 3) {
        if (address >= ADDRESSES)
            continue;
        if (strcmp(space, "holding") == 0)
            map->tab_registers[address] = (uint16_t) value;
        else if (strcmp(space, "input") == 0)
            map->tab_input_registers[address] = (uint16_t) value;
        else if (strcmp(space, "coil") == 0)
            map->tab_bits[address] = (uint8_t) value;
        else
            map->tab_input_bits[address] = (uint8_t) value;
    }
    fclose(file);
    return 0;
}

/* One request of the connection that ctx is set to; -1 when it is over. */
static int serve_one(modbus_t *ctx, modbus_mapping_t *map)
{
    uint8_t query[MODBUS_TCP_MAX_ADU_LENGTH];
    int length = modbus_receive(ctx, query);

    if (length > 0)
        return modbus_reply(ctx, query, length, map) < 0 ? -1 : 0;
    return length < 0 ? -1 : 0; /* 0: for another unit */
}

static int serve_tcp(modbus_t *ctx, modbus_mapping_t *map)
{
    struct sockaddr_in at;
    socklen_t size = sizeof at;
    fd_set all, ready;
    int listener = modbus_tcp_listen(ctx, 16);
    int last = listener;

    if (listener < 0 || getsockname(listener, (struct sockaddr *) &at, &size) < 0)
        return 1;
    printf("ready %d\n", ntohs(at.sin_port));
    fflush(stdout);
    FD_ZERO(&all);
    FD_SET(listener, &all);
    for (;;) {
        ready = all;
        if (select(last + 1, &ready, NULL, NULL, NULL) < 0)
            return 1;
        for (int fd = 0; fd <= last; fd++) {
            if (!FD_ISSET(fd, &ready))
                continue;
            if (fd == listener) {
                int client = accept(listener, NULL, NULL);
                if (client < 0 || client >= FD_SETSIZE)
                    continue;
                FD_SET(client, &all);
                last = client > last ? client : last;
            } else {
                modbus_set_socket(ctx, fd);
                if (serve_one(ctx, map) < 0) {
                    close(fd);
                    FD_CLR(fd, &all);
                }
            }
        }
    }
}

static int serve_rtu(modbus_t *ctx, modbus_mapping_t *map)
{
    if (modbus_set_slave(ctx, 1) < 0 || modbus_connect(ctx) < 0)
        return 1;
    printf("ready\n");
    fflush(stdout);
    for (;;) {
        /* A damaged frame ends no serial line; a line that is gone does. */
        if (serve_one(ctx, map) < 0 && (errno == EIO || errno == EBADF || errno == ENODEV))
            return 1;
    }
}

int main(int argc, char **argv)
{
    modbus_mapping_t *map = modbus_mapping_new(ADDRESSES, ADDRESSES, ADDRESSES, ADDRESSES);
    modbus_t *ctx = NULL;
    int rtu = argc == 5 && strcmp(argv[2], "rtu") == 0;

    if (rtu)
        ctx = modbus_new_rtu(argv[3], atoi(argv[4]), 'N', 8, 1);
    else if (argc == 3 && strcmp(argv[2], "tcp") == 0)
        ctx = modbus_new_tcp("127.0.0.1", 0);
    if (ctx == NULL || map == NULL || load(map, argv[1]) < 0) {
        fprintf(stderr, "usage: libmodbus_server TABLE tcp | TABLE rtu PATH BAUD\n");
        return 2;
    }
    return rtu ? serve_rtu(ctx, map) : serve_tcp(ctx, map);
}
