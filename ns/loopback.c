/* loopback.c - what a new network namespace needs: its loopback device up, and where it has another one, that this leads
 * nowhere else.
 *
 * For the first one ioctl is enough: the kernel gives lo 127.0.0.1/8 and ::1 by itself when it comes up
 * (devinet.c inetdev_event(), addrconf.c init_loopback(); since before 5.12). Any socket will do for it; AF_UNIX is the
 * family that outer filters leave alone.
 */
#include "ns/loopback.h"

#include "run/causes.h"
#include "utils.h"

#include <errno.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <string.h>
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

/* ---- loopback addresses, by whatever device ---- */

static const struct range {
	uint8_t family, n_bits, address[16];
} ranges[] = {
	{ AF_INET, 8, { 127 } },
	{ AF_INET6, 128, { [15] = 1 } },
	{ AF_INET6,
	  96,
	  { [10] = 0xff, [11] = 0xff } }, /* ::ffff:127.0.0.1, too: a routing header may name it */
};

/* 0, or an errno. */
static int keep(int netlink_fd, unsigned device, const struct range *range)
{
	const size_t length = range->family == AF_INET ? 4 : 16;
	struct {
		struct nlmsghdr header;
		struct rtmsg route;
		struct rtattr by;
		uint32_t device;
		struct rtattr to;
		uint8_t address[16];
	} ask = {
		.header = { .nlmsg_len = (uint32_t) (sizeof(ask) - sizeof(ask.address) + length),
			    .nlmsg_type = RTM_NEWROUTE,
			    .nlmsg_flags =
				    NLM_F_REQUEST | NLM_F_ACK | NLM_F_CREATE | NLM_F_APPEND },
		.route = { .rtm_family = range->family,
			   .rtm_dst_len = range->n_bits,
			   .rtm_table = RT_TABLE_LOCAL,
			   .rtm_protocol = RTPROT_STATIC,
			   .rtm_scope = RT_SCOPE_HOST,
			   .rtm_type = RTN_LOCAL },
		.by = { RTA_LENGTH(sizeof(uint32_t)), RTA_OIF },
		.device = device,
		.to = { (uint16_t) RTA_LENGTH(length), RTA_DST },
	};
	struct {
		struct nlmsghdr header;
		struct nlmsgerr said;
		char rest[sizeof(ask)]; /* what was asked */
	} answer;
	memcpy(ask.address, range->address, length);
	if (send(netlink_fd, &ask, ask.header.nlmsg_len, 0) < 0)
		return errno;
	ssize_t n = recv(netlink_fd, &answer, sizeof(answer), 0);
	if (n < 0)
		return errno;
	return n >= (ssize_t) NLMSG_LENGTH(sizeof(answer.said)) &&
			       answer.header.nlmsg_type == NLMSG_ERROR
		       ? -answer.said.error
		       : EPROTO;
}

/* Nothing leaves by a device that is down, or not for IPv6, and COMMAND changes neither. */
static bool is_harmless(int error, int family)
{
	return !error || error == ENETDOWN ||
	       (family == AF_INET6 &&
		(error == EACCES || error == EAFNOSUPPORT || error == EOPNOTSUPP));
}

bool loopback_keep_inside(void)
{
	int error = 0;
	AUTO_CLOSE int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);
	struct if_nameindex *devices = fd < 0 ? NULL : if_nameindex();
	if (!devices)
		return false;
	for (const struct if_nameindex *device = devices; device->if_index; device++)
		for (size_t i = 0; i < ARRAY_SIZE(ranges) && !streq(device->if_name, "lo"); i++) {
			int failed = keep(fd, device->if_index, &ranges[i]);
			if (!is_harmless(failed, ranges[i].family))
				error = failed;
		}
	if_freenameindex(devices);
	errno = error;
	return !error;
}
