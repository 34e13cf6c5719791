/* The floor for many devices: one epoll loop, one wake-up for all that is due or has come.
 *
 *   epoll_poller PORT DEVICES PERIOD_US REGISTERS SCANS */
#include "peer.h"
#include <sys/epoll.h>
#include <sys/timerfd.h>

enum { DEVICES_MAX = 1024 };

static int sockets[DEVICES_MAX], devices, registers;
static uint16_t ids[DEVICES_MAX];

static void ask_all(int64_t due, int64_t *late)
{
    uint8_t request[REQUEST_BYTES];
    for (int i = 0; i < devices; i++) {
        late[i] = now_ns() - due;
        put_request(request, ++ids[i], registers);
        if (send(sockets[i], request, sizeof request, 0) != sizeof request)
            die("send");
    }
}

static double take(int device)
{
    uint8_t in[ANSWER_BYTES_MAX];
    double values[REGISTERS_MAX];
    if (recv(sockets[device], in, sizeof in, 0) != ANSWER_HEAD_BYTES + 2 * registers)
        die("recv");
    return take_answer(in, ids[device], registers, values);
}

int main(int argc, char **argv)
{
    if (argc != 6)
        return 2;
    int port = atoi(argv[1]), loop = epoll_create1(0);
    int timer = timerfd_create(CLOCK_MONOTONIC, 0);
    devices = atoi(argv[2]), registers = atoi(argv[4]);
    int64_t period = atoll(argv[3]) * 1000;
    long scans = atol(argv[5]);
    if (devices > DEVICES_MAX)
        return 2;
    int64_t *late = calloc((size_t)(devices * scans), sizeof *late);
    double sum = 0;
    struct epoll_event e = {.events = EPOLLIN, .data.u32 = DEVICES_MAX}, events[DEVICES_MAX];
    epoll_ctl(loop, EPOLL_CTL_ADD, timer, &e);
    for (int i = 0; i < devices; i++) {
        struct epoll_event s = {.events = EPOLLIN, .data.u32 = (uint32_t)i};
        sockets[i] = connect_to(port);
        epoll_ctl(loop, EPOLL_CTL_ADD, sockets[i], &s);
    }
    int64_t cpu = cpu_ns(), waits = switches(), start = now_ns() + 200000000;
    long asked = 0, answers = 0;
    struct itimerspec due = {
        .it_interval = {period / 1000000000, period % 1000000000},
        .it_value = {start / 1000000000, start % 1000000000},
    };
    timerfd_settime(timer, TFD_TIMER_ABSTIME, &due, NULL);
    while (answers < devices * scans) {
        int n = epoll_wait(loop, events, DEVICES_MAX, -1);
        for (int i = 0; i < n; i++) {
            uint64_t ticks;
            if (events[i].data.u32 < DEVICES_MAX) {
                sum += take((int)events[i].data.u32);
                answers++;
            } else if (read(timer, &ticks, sizeof ticks) == sizeof ticks) {
                if (asked < scans && answers == asked * devices) {
                    ask_all(start + asked * period, late + asked * devices);
                    asked++;
                }
            }
        }
    }
    report(devices * scans, now_ns() - start, cpu_ns() - cpu, switches() - waits, late);
    return sum == 0.5; /* the decoded values are used */
}
