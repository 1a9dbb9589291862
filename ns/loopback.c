/* loopback.c - what a new network namespace needs: its loopback device up.
 *
 * One ioctl is enough: the kernel gives lo 127.0.0.1/8 and ::1 by itself when it comes up
 * (devinet.c inetdev_event(), addrconf.c init_loopback(); since before 5.12), so there is no
 * netlink here. Any socket will do for it; AF_UNIX is the family that outer filters leave alone.
 */
#include "ns/loopback.h"

#include "run/causes.h"
#include "utils.h"

#include <errno.h>
#include <net/if.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

void loopback_up(void)
{
	AUTO_CLOSE int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	struct ifreq lo = { .ifr_name = "lo", .ifr_flags = IFF_UP };
	/* "Failed RTM_NEWADDR" is what bubblewrap's callers look for when the loopback is the
	 * trouble. */
	if (fd < 0 || ioctl(fd, SIOCSIFFLAGS, &lo) < 0)
		die_because(errno, "loopback: Failed RTM_NEWADDR: can't bring up lo: %s%s",
			    errno_text(errno),
			    errno == EPERM ? cause_text(CAUSE_CAPS_TAKEN, NULL) : "");
}
