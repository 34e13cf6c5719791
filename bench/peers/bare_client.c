/* The floor: one send and one recv for what is in flight, decoded to double. No time-out, no check but
 * that the answer belongs to its request.
 *
 *   bare_client PORT REQUESTS REGISTERS IN_FLIGHT */
#include "peer.h"

enum { IN_FLIGHT_MAX = 64 };

int main(int argc, char **argv)
{
    static uint8_t in[IN_FLIGHT_MAX * ANSWER_BYTES_MAX];
    double values[REGISTERS_MAX], sum = 0;
    if (argc != 5)
        return 2;
    long requests = atol(argv[2]), sent = 0, done = 0;
    int registers = atoi(argv[3]), in_flight = atoi(argv[4]), s = connect_to(atoi(argv[1]));
    size_t answer = (size_t)(ANSWER_HEAD_BYTES + 2 * registers), held = 0;
    if (in_flight < 1 || in_flight > IN_FLIGHT_MAX || registers > REGISTERS_MAX)
        return 2;
    int64_t wall = now_ns(), cpu = cpu_ns(), waits = switches();
    while (done < requests) {
        uint8_t out[IN_FLIGHT_MAX * REQUEST_BYTES];
        size_t size = 0;
        for (; sent < requests && sent - done < in_flight; sent++, size += REQUEST_BYTES)
            put_request(out + size, (uint16_t)sent, registers);
        if (size && send(s, out, size, 0) != (ssize_t)size)
            die("send");
        ssize_t got = recv(s, in + held, sizeof in - held, 0);
        if (got <= 0)
            die("recv");
        held += (size_t)got;
        size_t at = 0;
        for (; held - at >= answer; at += answer, done++)
            sum += take_answer(in + at, (uint16_t)done, registers, values);
        held -= at;
        memmove(in, in + at, held);
    }
    report(requests, now_ns() - wall, cpu_ns() - cpu, switches() - waits, NULL);
    return sum == 0.5; /* the decoded values are used */
}
