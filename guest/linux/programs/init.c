/*
 * init: PID 1 of a guest. Brings the system up far enough for one program, runs it, reports how it
 * ended and switches the machine off.
 *
 * What to do is in files beside it, because a kernel's command line loses quotes and has an end:
 *
 *   /scanout/modules  kernel modules to load, in this order; a line each: path, space, parameters
 *   /scanout/root     "ro DIRECTORY" or "rw DIRECTORY": run the program in a directory of the host (UML's
 *                     hostfs); read-only with fresh tmpfs where programs write, or writable
 *   /scanout/command  the program and its arguments, each followed by a zero byte
 *
 * A root may have a program of its own, SESSION, that prepares the system for what it holds (a seat for its
 * compositors, say) and then becomes the program: it gets the program and its arguments as arguments.
 *
 * The report, on the console:  "scanout: program exited STATUS"  or  "scanout: program killed by signal N".
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/reboot.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <termios.h>
#include <time.h>
#include <unistd.h>
#include <linux/netlink.h>

#define VIRTIO_ID_GPU 16
#define CARD_TIMEOUT_MS 10000
#define SETTLE_TIMEOUT_MS 10000
#define SESSION "/usr/libexec/scanout/session"

static void complain(const char *what, const char *object)
{
	printf("scanout: %s %s: %s\n", what, object, strerror(errno));
}

/* Mounts onto a directory that may not exist in a user's own root; that is not an error. */
static void mount_if_there(const char *type, const char *source, const char *target, unsigned long flags)
{
	if (mount(source, target, type, flags, NULL) && errno != ENOENT && errno != EBUSY)
		complain("cannot mount", target);
}

static void mount_system(void)
{
	mount_if_there("proc", "proc", "/proc", 0);
	mount_if_there("sysfs", "sysfs", "/sys", 0);
	mount_if_there("devtmpfs", "devtmpfs", "/dev", 0);
	mkdir("/dev/shm", 01777);
	mkdir("/dev/pts", 0755);
	mount_if_there("tmpfs", "tmpfs", "/dev/shm", 0);
	mount_if_there("devpts", "devpts", "/dev/pts", 0);
	mount_if_there("debugfs", "debugfs", "/sys/kernel/debug", 0);
	mount_if_there("tmpfs", "tmpfs", "/tmp", 0);
	mount_if_there("tmpfs", "tmpfs", "/run", 0);
}

/* An initial RAM file system of ours holds what was asked for and nothing else: no places to mount at. */
static void make_mount_points(void)
{
	static const char *const places[] = { "/proc", "/sys", "/tmp", "/run" };

	for (size_t i = 0; i < sizeof(places) / sizeof(*places); i++)
		if (mkdir(places[i], 0755) && errno != EEXIST)
			complain("cannot make", places[i]);
}

static void load_modules(void)
{
	char line[PATH_MAX];
	FILE *list = fopen("/scanout/modules", "r");

	if (!list)
		return;
	while (fgets(line, sizeof(line), list)) {
		line[strcspn(line, "\n")] = 0;
		char *parameters = strchrnul(line, ' ');

		if (*parameters)
			*parameters++ = 0;
		int fd = open(line, O_RDONLY | O_CLOEXEC);

		if (fd < 0 || (syscall(SYS_finit_module, fd, parameters, 0) && errno != EEXIST))
			complain("cannot load", line);
		if (fd >= 0)
			close(fd);
	}
	fclose(list);
}

/* The whole of a small file, with a zero byte after it; NULL when there is none. */
static char *read_file(const char *path, size_t *length)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	struct stat status;

	if (fd < 0 || fstat(fd, &status))
		return NULL;
	char *text = calloc(1, status.st_size + 1);
	ssize_t got = read(fd, text, status.st_size);

	close(fd);
	*length = got < 0 ? 0 : got;
	return text;
}

/* DIRECTORY/NAME; the caller frees it. */
static char *join(const char *directory, const char *name)
{
	char *path;

	if (asprintf(&path, "%s/%s", directory, name) < 0)
		exit(1); /* out of memory, this early */
	return path;
}

/* Whether a directory has an entry, named like that, of which `is` holds. */
static int some(const char *directory, const char *prefix, int (*is)(const char *path))
{
	DIR *entries = opendir(directory);
	struct dirent *entry;
	int found = 0;

	while (entries && !found && (entry = readdir(entries))) {
		char *path = join(directory, entry->d_name);

		found = !strncmp(entry->d_name, prefix, strlen(prefix)) && is(path);
		free(path);
	}
	if (entries)
		closedir(entries);
	return found;
}

static int exists(const char *path)
{
	return !access(path, F_OK);
}

/* Reads NAME in a directory by scanf's rules, with two numbers in it at most; returns how many there are. */
static int scan(const char *directory, const char *name, const char *format, void *first, void *second)
{
	char *path = join(directory, name);
	FILE *file = fopen(path, "r");
	int known = 0;

	free(path);
	if (!file)
		return 0;
	known = fscanf(file, format, first, second);
	fclose(file);
	return known;
}

static int has_card(const char *device)
{
	char *cards = join(device, "drm");
	int found = some(cards, "card", exists);

	free(cards);
	return found;
}

/* Whether a device of the virtio bus is a GPU without a DRM device: that belongs to it, or to its parent. */
static int is_gpu_without_card(const char *device)
{
	char *parent = join(device, "..");
	unsigned int id;
	int lacks = scan(device, "device", "%x", &id, NULL) == 1 && id == VIRTIO_ID_GPU && !has_card(device) &&
		    !has_card(parent);

	free(parent);
	return lacks;
}

/* Whether a virtio GPU is there whose driver is not ready. The bus is enumerated when its module is loaded. */
static int lacks_card(void)
{
	return some("/sys/bus/virtio/devices", "virtio", is_gpu_without_card);
}

static long long milliseconds(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * 1000LL + now.tv_nsec / 1000000;
}

/* Waits for the kernel's events until the virtio GPU, if there is one, has its DRM device. */
static void wait_for_card(int uevents)
{
	long long end = milliseconds() + CARD_TIMEOUT_MS;

	while (lacks_card()) {
		struct pollfd events = { .fd = uevents, .events = POLLIN };
		long long left = end - milliseconds();
		char event[4096];

		if (left <= 0 || poll(&events, 1, left) <= 0) {
			printf("scanout: the virtio GPU got no DRM device; the kernel's messages say why\n");
			return;
		}
		if (recv(uevents, event, sizeof(event), 0) < 0 && errno != ENOBUFS)
			return;
	}
}

/* The kernel's announcements of new devices; opened before the modules are loaded, so none is missed. */
static int open_uevents(void)
{
	struct sockaddr_nl address = { .nl_family = AF_NETLINK, .nl_groups = 1 };
	int fd = socket(AF_NETLINK, SOCK_DGRAM | SOCK_CLOEXEC, NETLINK_KOBJECT_UEVENT);

	if (fd < 0 || bind(fd, (struct sockaddr *)&address, sizeof(address)))
		complain("cannot listen to", "uevents");
	return fd;
}

/* Lets the programs beside this one be seen in the root, too. */
static void show_our_programs(int ours)
{
	char path[32];

	mkdir("/run/scanout", 0755);
	snprintf(path, sizeof(path), "/proc/self/fd/%d", ours);
	if (mount(path, "/run/scanout", NULL, MS_BIND, NULL))
		complain("cannot show", "/run/scanout");
	close(ours);
}

/* Moves into the directory of the host that /scanout/root names, if any. */
static int enter_root(const char *root)
{
	static const char *const scratch[] = { "/root", "/var/tmp", "/var/log", "/var/cache", NULL };
	int writable = !strncmp(root, "rw ", 3);
	int ours = open("/scanout", O_PATH | O_CLOEXEC);
	const char *directory = root + 3;

	mkdir("/newroot", 0755);
	if (mount("root", "/newroot", "hostfs", writable ? 0 : MS_RDONLY, directory) || chroot("/newroot") ||
	    chdir("/")) {
		complain("cannot enter the root", directory);
		return -1;
	}
	mount_system();
	for (int i = 0; !writable && scratch[i]; i++)
		mount_if_there("tmpfs", "tmpfs", scratch[i], 0);
	show_our_programs(ours);
	return 0;
}

/* Splits what /scanout/command holds; the root's session, where it has one, comes before it. */
static char **split_arguments(char *text, size_t length)
{
	char **arguments = calloc(length + 2, sizeof(*arguments));
	size_t count = 0;

	if (!access(SESSION, X_OK))
		arguments[count++] = SESSION;
	for (size_t start = 0; start < length; start += strlen(text + start) + 1)
		arguments[count++] = text + start;
	return arguments;
}

static void run_program(char **arguments)
{
	pid_t child = fork();
	int status;

	if (child < 0) {
		complain("cannot start", arguments[0]);
		return;
	}
	if (child == 0) {
		setsid();
		ioctl(STDIN_FILENO, TIOCSCTTY, 0); /* job control and ^C, where the console is a terminal */
		setenv("PATH", "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin:/run/scanout:/scanout", 1);
		execvp(arguments[0], arguments);
		complain("cannot run", arguments[0]);
		_exit(127);
	}
	/* PID 1 also inherits the orphans of others. */
	for (pid_t ended; (ended = wait(&status)) != child;)
		if (ended < 0 && errno != EINTR)
			return;
	if (WIFSIGNALED(status))
		printf("scanout: program killed by signal %d\n", WTERMSIG(status));
	else
		printf("scanout: program exited %d\n", WEXITSTATUS(status));
}

/* Whether a DRM device is a virtio GPU with commands out, by what its driver says of its fences. */
static int waits_for_fences(const char *device)
{
	unsigned long long signalled, emitted;

	return scan(device, "virtio-gpu-irq-fence", "fence %llu %llu", &signalled, &emitted) == 2 &&
	       signalled < emitted;
}

/*
 * Lets the GPU finish before the machine is switched off. UML takes its drivers away then, and Linux's
 * virtio-gpu driver never ends if a buffer of another driver becomes free only after that: it waits for the
 * fence of a DETACH_BACKING that it does not send any more (virtio_gpu_detach_object_fenced). Such a
 * buffer is given back behind the answer to its last flush, with one more fence; so look twice.
 */
static void settle_gpu(void)
{
	long long end = milliseconds() + SETTLE_TIMEOUT_MS;

	for (int quiet = 0; quiet < 2 && milliseconds() < end;) {
		quiet = some("/sys/kernel/debug/dri", "", waits_for_fences) ? 0 : quiet + 1;
		if (quiet < 2)
			usleep(1000);
	}
}

int main(void)
{
	size_t length = 0, unused;

	setvbuf(stdout, NULL, _IOLBF, 0);
	make_mount_points();
	mount_system();
	int uevents = open_uevents();

	load_modules();
	wait_for_card(uevents);
	close(uevents);
	char *command = read_file("/scanout/command", &length);
	char *root = read_file("/scanout/root", &unused);

	if (!length)
		printf("scanout: no program was given\n");
	else if (!root || enter_root(root) == 0)
		run_program(split_arguments(command, length));
	fflush(stdout);
	tcdrain(STDOUT_FILENO);
	sync();
	settle_gpu();
	reboot(RB_POWER_OFF);
	return 1;
}
