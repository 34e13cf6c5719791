/* fdatasync(2) that does not come back while the file named by HANGS_WHILE exists: a card that hangs
   (systemd issues 917 and 20473 saw minutes). Preloaded into the daemon. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

int fdatasync(int file)
{
    static int (*real)(int);
    const struct timespec pause = {0, 50 * 1000 * 1000};

    if (!real)
        real = (int (*)(int))dlsym(RTLD_NEXT, "fdatasync");
    while (access(getenv("HANGS_WHILE"), F_OK) == 0)
        nanosleep(&pause, NULL);
    return real(file);
}
