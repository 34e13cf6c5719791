/* Calls that do not come back while a file of their name stands in the folder HANGS_IN; preloaded into the
   daemon. fdatasync(2): a card that hangs (systemd issues 917 and 20473 saw minutes). epoll_pwait2(2): a
   thread that reads links. ZSTD_compressCCtx(3): the sealing of a block. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <time.h>
#include <unistd.h>

static void wait_while(const char *name)
{
    const struct timespec pause = {0, 50 * 1000 * 1000};
    char path[4096];

    snprintf(path, sizeof path, "%s/%s", getenv("HANGS_IN"), name);
    while (access(path, F_OK) == 0)
        nanosleep(&pause, NULL);
}

int fdatasync(int file)
{
    static int (*real)(int);

    if (!real)
        real = (int (*)(int))dlsym(RTLD_NEXT, "fdatasync");
    wait_while("fdatasync");
    return real(file);
}

int epoll_pwait2(int epoll, struct epoll_event *events, int most, const struct timespec *wait, const __sigset_t *mask)
{
    static int (*real)(int, struct epoll_event *, int, const struct timespec *, const __sigset_t *);

    if (!real)
        real = (int (*)(int, struct epoll_event *, int, const struct timespec *, const __sigset_t *))
            dlsym(RTLD_NEXT, "epoll_pwait2");
    wait_while("epoll_pwait2");
    return real(epoll, events, most, wait, mask);
}

size_t ZSTD_compressCCtx(void *context, void *to, size_t room, const void *from, size_t size, int level)
{
    static size_t (*real)(void *, void *, size_t, const void *, size_t, int);

    if (!real)
        real = (size_t (*)(void *, void *, size_t, const void *, size_t, int))
            dlsym(dlopen("libzstd.so.1", RTLD_NOW), "ZSTD_compressCCtx"); /* loaded after this library */
    wait_while("ZSTD_compressCCtx");
    return real(context, to, room, from, size, level);
}
