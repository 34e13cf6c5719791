/* Preloaded into a process that scans: it is held up for 3 ms between the loop's waking and its read. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <sys/socket.h>
#include <unistd.h>

ssize_t recv(int fd, void *buffer, size_t room, int flags)
{
    static ssize_t (*next)(int, void *, size_t, int);
    if (!next) next = (ssize_t (*)(int, void *, size_t, int))dlsym(RTLD_NEXT, "recv");
    if (flags & MSG_DONTWAIT) usleep(3000);
    return next(fd, buffer, room, flags);
}
