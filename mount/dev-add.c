/* dev-add.c - devices of the host's beside those of --dev.
 *
 * Must not: show anything but a device, or follow a link, in the host's /dev: its names may be another's.
 */
#include "mount/dev-add.h"

#include "plan/plan.h"
#include "plan/position.h"
#include "run/diagnose.h"
#include "sys/kernel.h"
#include "sys/path.h"
#include "utils.h"

#include <dirent.h>
#include <errno.h>
#include <string.h>
#include <sys/stat.h>

/* A device of the host's that --dev-add names. */
struct added_node {
	const char *name; /* below /dev */
	int fd;           /* -1: not taken yet, or shown */
	const struct added_device *by;
};
struct added_nodes {
	struct added_node *items;
	size_t n, capacity;
};

/* A group's nodes, and what a driver needs beside them. "#" at the end: and then digits; "*": and then anything.
 * Documentation/admin-guide/devices.txt; the names that Flatpak's --device=dri shows. */
static const struct {
	char group[8], directory[12], name[20]; /* not pointers: see struct option_row */
} groups[] = {
	{ "dri", "dri", "card#" },
	{ "dri", "dri", "renderD#" },
	{ "dri", ".", "dxg" },
	{ "dri", ".", "mali#" },
	{ "dri", ".", "mali" },
	{ "dri", ".", "umplock" },
	{ "dri", ".", "kgsl-3d#" },
	{ "kvm", ".", "kvm" },
	{ "fuse", ".", "fuse" },
	{ "tun", "net", "tun" },
	{ "snd", "snd", "*" },
	{ "video", ".", "video#" },
	{ "video", ".", "media#" },
	{ "video", ".", "v4l-subdev#" },
	{ "nvidia", ".", "nvidia#" },
	{ "nvidia", ".", "nvidiactl" },
	{ "nvidia", ".", "nvidia-modeset" },
	{ "nvidia", ".", "nvidia-uvm" },
	{ "nvidia", ".", "nvidia-uvm-tools" },
	{ "nvidia", "nvidia-caps", "nvidia-cap#" },
};

static bool matches(const char *pattern, const char *name)
{
	size_t length = strcspn(pattern, "#*");
	if (strncmp(pattern, name, length) != 0)
		return false;
	const char *rest = name + length;
	if (!pattern[length])
		return !*rest;
	return pattern[length] == '*' || (*rest && rest[strspn(rest, "0123456789")] == '\0');
}

static bool is_device(int dir_fd, const char *name)
{
	struct stat status;
	return fstatat(dir_fd, name, &status, AT_SYMLINK_NOFOLLOW) == 0 &&
	       (S_ISCHR(status.st_mode) || S_ISBLK(status.st_mode));
}

/* Each once, and none that --dev has itself. */
static void add(struct pin *pin, const struct added_device *by, const char *name)
{
	static const char own[][8] = { "null", "zero", "full", "random", "urandom", "tty" };
	for (size_t i = 0; i < ARRAY_SIZE(own); i++)
		if (streq(own[i], name))
			return;
	for (size_t i = 0; i < pin->added->n; i++)
		if (streq(pin->added->items[i].name, name))
			return;
	struct added_nodes *nodes = pin->added;
	nodes->items = arena_grow(nodes->items, nodes->n, &nodes->capacity, sizeof(*nodes->items));
	pin->added->items[pin->added->n++] = (struct added_node){ name, -1, by };
}

/* Returns whether there are any. */
static bool add_matching(struct pin *pin, const struct added_device *by, const char *directory,
			 const char *pattern)
{
	bool any = false;
	int fd = open(arena_join("/dev/", directory),
		      O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	DIR *stream = fd < 0 ? NULL : fdopendir(fd);
	if (!stream && errno != ENOENT)
		die_errno(errno, "%s: Can't read /dev/%s", position_text(by->position), directory);
	const struct dirent *entry;
	while (stream && (entry = readdir(stream))) {
		if (!matches(pattern, entry->d_name) || !is_device(fd, entry->d_name))
			continue;
		any = true;
		add(pin, by,
		    streq(directory, ".") ? arena_string(entry->d_name)
					  : arena_printf("%s/%s", directory, entry->d_name));
	}
	if (stream)
		closedir(stream);
	return any;
}

size_t dev_add_find(const struct op *op, struct pin *pin)
{
	if (!op->n_added)
		return 0;
	pin->added = arena_alloc(sizeof(*pin->added));
	for (size_t i = 0; i < op->n_added; i++) {
		const struct added_device *by = &op->added[i];
		bool is_group = false, any = false;
		for (size_t j = 0; j < ARRAY_SIZE(groups); j++)
			if (streq(groups[j].group, by->name)) {
				is_group = true;
				any |= add_matching(pin, by, groups[j].directory, groups[j].name);
			}
		struct stat status;
		if (!is_group) {
			any = lstat(arena_join("/dev/", by->name), &status) == 0;
			if (!any && errno != ENOENT)
				die_errno(errno, "%s: Can't look at /dev/%s",
					  position_text(by->position), by->name);
			if (any)
				add(pin, by, by->name);
		}
		if (!any && !by->skip_missing)
			die("%s: there is no %s%s on the host", position_text(by->position),
			    is_group ? "device of the group " : "/dev/", by->name);
	}
	return pin->added->n;
}

void dev_add_pin(struct pin *pin, size_t i)
{
	struct added_node *node = &pin->added->items[i];
	struct mount_attr attr = { .attr_set = MOUNT_ATTR_NOSUID, .propagation = MS_PRIVATE };
	struct stat status;
	AUTO_CLOSE int dev_fd = open("/dev", O_PATH | O_DIRECTORY | O_CLOEXEC);
	AUTO_CLOSE int fd = path_open(dev_fd, node->name, O_PATH | O_NOFOLLOW);
	if (fd < 0 || fstat(fd, &status) < 0)
		die_errno(errno, "%s: Can't find /dev/%s", position_text(node->by->position),
			  node->name);
	if (!S_ISCHR(status.st_mode) && !S_ISBLK(status.st_mode))
		die("%s: /dev/%s is no device%s", position_text(node->by->position), node->name,
		    S_ISLNK(status.st_mode) ? ": name what the link leads to" : "");
	node->fd = sys_open_tree(fd, "", OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | AT_EMPTY_PATH);
	if (node->fd < 0 || sys_mount_setattr(node->fd, "", AT_EMPTY_PATH, &attr) < 0)
		die("%s: Can't clone /dev/%s: %s%s", position_text(node->by->position), node->name,
		    errno_text(errno), diagnose_mount_api(errno));
}

void dev_add_show(const struct op *op, struct pin *pin)
{
	for (size_t i = 0; pin->added && i < pin->added->n; i++) {
		struct added_node *node = &pin->added->items[i];
		if (node->fd < 0)
			continue;
		for (const char *slash = node->name; (slash = strchr(slash, '/')); slash++)
			if (mkdirat(pin->mount_fd,
				    arena_copy(node->name, (size_t) (slash - node->name)),
				    0755) < 0 &&
			    errno != EEXIST)
				die_errno(errno, "%s: Can't make a directory in %s",
					  position_text(node->by->position), op->inner_path);
		if (mknodat(pin->mount_fd, node->name, S_IFREG | 0444, 0) < 0 ||
		    sys_move_mount(node->fd, "", pin->mount_fd, node->name,
				   MOVE_MOUNT_F_EMPTY_PATH) < 0)
			die_errno(errno, "%s: Can't make %s/%s", position_text(node->by->position),
				  op->inner_path, node->name);
		close_fd(&node->fd);
	}
}
