/*
 * agent: runs commands in a guest for the host, which talks to it over a serial line; the other end is
 * guest/linux/agent/frames.py.
 *
 * Frames go both ways: three little-endian words of 32 bits (length of the payload, kind, number of the
 * command), then the payload. Commands may run beside each other; each has its number.
 *
 * On virtual time the host reads the line whenever this guest sleeps, and never else: what a guest says depends
 * on virtual time alone, then. So the agent sleeps before more is on its way than a host's socket holds.
 */
#include <dirent.h>
#include <endian.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <termios.h>
#include <unistd.h>

#define LIMIT 4096 /* bytes of a payload of the host's */
#define COMMANDS 16 /* at the same time */
#define PIECE 8192 /* of a program's output */
#define BURST 32768 /* bytes said between two sleeps */
#define LINE_TIMEOUT_MS 10000
#define KILL_TIMEOUT_MS 10000
#define PF_KTHREAD 0x00200000 /* include/linux/sched.h */

#define SHARED "/run/scanout-shared"

enum request { RUN = 1, KILL = 2, WRITE = 3, RESET = 4, COPY = 5 };
enum answer { READY = 16, OUTPUT = 17, ERROR = 18, EXITED = 19, FAILED = 20, DONE = 21, TAKEN = 22 };

struct header {
	uint32_t length, kind, number;
};

struct command {
	pid_t pid; /* 0: free */
	uint32_t number;
	int input; /* what it reads, where nothing comes; -1: at its end */
	int pipes[2]; /* what it prints, and its complaints; -1: at its end */
};

static struct command commands[COMMANDS];
static int line, last_of_system;

static void read_line(void *data, size_t length)
{
	for (ssize_t got; length; data = (char *)data + got, length -= got) {
		got = read(line, data, length);
		if (got < 0 && errno == EINTR)
			got = 0;
		else if (got <= 0)
			exit(0); /* the host has gone */
	}
}

static void write_line(const void *data, size_t length)
{
	static size_t said;

	said += length;
	if (said > BURST) {
		usleep(1000);
		said = length;
	}
	for (ssize_t put; length; data = (const char *)data + put, length -= put) {
		put = write(line, data, length);
		if (put < 0 && errno == EINTR)
			put = 0;
		else if (put < 0)
			exit(1);
	}
}

static void say(enum answer kind, uint32_t number, const void *payload, uint32_t length)
{
	struct header header = { htole32(length), htole32(kind), htole32(number) };

	write_line(&header, sizeof(header));
	write_line(payload, length);
}

/* Says what the kernel says of an error. */
static void say_failed(uint32_t number, int error)
{
	char text[256];
	uint32_t code = htole32(error);

	memcpy(text, &code, sizeof(code));
	strncpy(text + sizeof(code), strerror(error), sizeof(text) - sizeof(code) - 1);
	text[sizeof(text) - 1] = 0;
	say(FAILED, number, text, sizeof(code) + strlen(text + sizeof(code)));
}

static void finish_input(struct command *command)
{
	if (command->input >= 0)
		close(command->input);
	command->input = -1;
}

/* Becomes the program; `report` is closed by that, or gets the reason why it could not be. */
static void become(char **arguments, const int *streams, int report)
{
	sigset_t none;

	setsid();
	for (int i = 0; i < 3; i++)
		dup2(streams[i], i);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	execvp(arguments[0], arguments);
	int error = errno;

	if (write(report, &error, sizeof(error)) < 0)
		_exit(126);
	_exit(127);
}

/* A pipe; there are a handful of descriptors for each of a few commands, so there is room for it. */
static void make_pipe(int *ends)
{
	if (pipe2(ends, O_CLOEXEC))
		exit(1);
}

/* Starts a program, whose input ends at once or, held, with the program; returns 0, or an error. */
static int start(struct command *command, char **arguments, int held)
{
	int report[2], input[2], output[2], errors[2], error = 0;

	make_pipe(report);
	make_pipe(input);
	make_pipe(output);
	make_pipe(errors);
	command->pid = fork();
	if (command->pid == 0) {
		close(input[1]); /* else it would be the program itself that holds it */
		become(arguments, (int[]){ input[0], output[1], errors[1] }, report[1]);
	}
	close(report[1]);
	close(input[0]);
	close(output[1]);
	close(errors[1]);
	if (command->pid < 0)
		error = errno;
	else if (read(report[0], &error, sizeof(error)) == sizeof(error))
		waitpid(command->pid, NULL, 0);
	close(report[0]);
	command->input = input[1];
	command->pipes[0] = output[0];
	command->pipes[1] = errors[0];
	for (int i = 0; i < 2; i++)
		fcntl(command->pipes[i], F_SETFL, O_NONBLOCK);
	if (!held)
		finish_input(command);
	return error;
}

static void release(struct command *command)
{
	finish_input(command);
	for (int i = 0; i < 2; i++)
		if (command->pipes[i] >= 0)
			close(command->pipes[i]);
	command->pid = 0;
}

static struct command *find(uint32_t number)
{
	for (int i = 0; i < COMMANDS; i++)
		if (commands[i].pid && commands[i].number == number)
			return &commands[i];
	return NULL;
}

static struct command *find_free(void)
{
	for (int i = 0; i < COMMANDS; i++)
		if (!commands[i].pid)
			return &commands[i];
	return NULL;
}

/* The agent's environment with variables before it, which win; the caller frees it. */
static char **extend_environment(char **variables, uint32_t count)
{
	uint32_t old = 0;

	while (environ[old])
		old++;
	char **extended = calloc(count + old + 1, sizeof(*extended));

	memcpy(extended, variables, count * sizeof(*extended));
	memcpy(extended + count, environ, old * sizeof(*extended));
	return extended;
}

/* RUN: whether its input is held, how many of the strings are variables, then those and the arguments. */
static void run(uint32_t number, char *payload, uint32_t length)
{
	struct command *command = find_free();
	char **strings = calloc(length + 1, sizeof(*strings)), **environment = environ;
	uint32_t held, variables, count = 0;

	memcpy(&held, payload, sizeof(held));
	memcpy(&variables, payload + sizeof(held), sizeof(variables));
	for (uint32_t at = sizeof(held) + sizeof(variables); at < length; at += strlen(payload + at) + 1)
		strings[count++] = payload + at;
	variables = le32toh(variables);
	if (command && count > variables) {
		environ = extend_environment(strings, variables);
		int error = start(command, strings + variables, held);

		free(environ);
		environ = environment;
		command->number = number;
		if (error) {
			release(command);
			say_failed(number, error);
		}
	} else {
		say_failed(number, command ? EINVAL : EAGAIN);
	}
	free(strings);
}

/* Passes on what is in a command's pipe now; at most one piece, unless it has ended. */
static void pass_on(struct command *command, int which, int all)
{
	static char piece[PIECE];

	while (command->pipes[which] >= 0) {
		ssize_t got = read(command->pipes[which], piece, sizeof(piece));

		if (got > 0)
			say(which ? ERROR : OUTPUT, command->number, piece, got);
		if (got == 0 || (got < 0 && errno != EAGAIN && errno != EINTR)) {
			close(command->pipes[which]);
			command->pipes[which] = -1;
		}
		if (got <= 0 || !all)
			return;
	}
}

/* Reports the commands that have ended; what their own children still print goes nowhere. */
static void reap(void)
{
	for (int i = 0; i < COMMANDS; i++) {
		struct command *command = &commands[i];
		int status;

		if (!command->pid || waitpid(command->pid, &status, WNOHANG) != command->pid)
			continue;
		pass_on(command, 0, 1);
		pass_on(command, 1, 1);
		uint32_t result = htole32(WIFSIGNALED(status) ? -WTERMSIG(status) : WEXITSTATUS(status));

		say(EXITED, command->number, &result, sizeof(result));
		release(command);
	}
}

static void make_parents(char *path)
{
	for (char *slash = strchr(path + 1, '/'); slash; slash = strchr(slash + 1, '/')) {
		*slash = 0;
		mkdir(path, 0755);
		*slash = '/';
	}
}

/* WRITE: mode, place in the file (0: a new file), path with its zero byte, data. */
static void write_file(uint32_t number, char *payload, uint32_t length)
{
	uint32_t mode, place;
	char *path = payload + sizeof(mode) + sizeof(place);

	memcpy(&mode, payload, sizeof(mode));
	memcpy(&place, payload + sizeof(mode), sizeof(place));
	char *data = path + strlen(path) + 1;
	size_t left = payload + length - data;

	make_parents(path);
	int fd = open(path, O_WRONLY | O_CLOEXEC | O_CREAT | (place ? 0 : O_TRUNC), le32toh(mode));
	int error = fd < 0 ? errno : 0;
	ssize_t put = error ? -1 : pwrite(fd, data, left, le32toh(place));

	if (!error && put != (ssize_t)left)
		error = put < 0 ? errno : ENOSPC;
	if (fd >= 0) {
		fchmod(fd, le32toh(mode));
		close(fd);
	}
	if (error)
		say_failed(number, error);
	else
		say(DONE, number, "", 0);
}

/* Copies a file; returns 0, or an error. */
static int copy_contents(const char *from, char *to, mode_t mode)
{
	static char piece[65536];
	ssize_t got, put = 0;
	int source = open(from, O_RDONLY | O_CLOEXEC), target;

	if (source < 0)
		return errno;
	make_parents(to);
	target = open(to, O_WRONLY | O_CLOEXEC | O_CREAT | O_TRUNC, mode);
	int error = target < 0 ? errno : 0;

	while (!error && (got = read(source, piece, sizeof(piece))) != 0) {
		if (got > 0)
			put = write(target, piece, got);
		if (got < 0 || put < 0)
			error = errno;
		else if (put != got)
			error = ENOSPC;
	}
	if (target >= 0) {
		fchmod(target, mode);
		close(target);
	}
	close(source);
	return error;
}

/* COPY: mode, a file's name in the directory in which UML runs, path, each with its zero byte. */
static void copy_file(uint32_t number, char *payload)
{
	uint32_t mode;
	char *name = payload + sizeof(mode), from[sizeof(SHARED) + LIMIT + 1];
	int error = 0;

	memcpy(&mode, payload, sizeof(mode));
	mkdir(SHARED, 0700);
	snprintf(from, sizeof(from), SHARED "/%s", name);
	if (mount("shared", SHARED, "hostfs", MS_RDONLY, "/proc/self/cwd"))
		error = errno;
	if (!error)
		error = copy_contents(from, name + strlen(name) + 1, le32toh(mode));
	umount(SHARED);
	if (error)
		say_failed(number, error);
	else
		say(DONE, number, "", 0);
}

/* Whether a program still runs, or ends: the kernel's own threads are none, and the dead have ended. */
static int is_program(int pid)
{
	char path[32], text[512] = "", state;
	unsigned int flags;

	snprintf(path, sizeof(path), "/proc/%d/stat", pid);
	int fd = open(path, O_RDONLY | O_CLOEXEC);

	if (fd < 0 || read(fd, text, sizeof(text) - 1) < 0)
		text[0] = 0;
	close(fd);
	char *name_end = strrchr(text, ')'); /* a name may hold anything */

	if (!name_end || sscanf(name_end, ") %c %*d %*d %*d %*d %*d %u", &state, &flags) != 2)
		return 0;
	return !(flags & PF_KTHREAD) && state != 'Z' && state != 'X';
}

/* Kills every program that came after the agent; returns how many there were. */
static int kill_others(void)
{
	DIR *entries = opendir("/proc");
	struct dirent *entry;
	int found = 0;

	while (entries && (entry = readdir(entries))) {
		int pid = atoi(entry->d_name);

		if (pid > last_of_system && is_program(pid)) {
			kill(pid, SIGKILL);
			found++;
		}
	}
	if (entries)
		closedir(entries);
	return found;
}

/* The newest process there is. */
static int last_process(void)
{
	DIR *entries = opendir("/proc");
	struct dirent *entry;
	int last = 0;

	while (entries && (entry = readdir(entries)))
		last = atoi(entry->d_name) > last ? atoi(entry->d_name) : last;
	if (entries)
		closedir(entries);
	return last;
}

/* RESET: ends every program that came after the agent. A display that one of them held is free then. */
static void reset(uint32_t number)
{
	int waited = 0;

	while (kill_others() && waited++ < KILL_TIMEOUT_MS)
		usleep(1000);
	reap();
	if (waited > KILL_TIMEOUT_MS)
		say_failed(number, EBUSY);
	else
		say(DONE, number, "", 0);
}

static void obey(void)
{
	static char payload[LIMIT + 1];
	struct header header;

	read_line(&header, sizeof(header));
	uint32_t length = le32toh(header.length), number = le32toh(header.number);

	if (length > LIMIT)
		exit(1); /* not a host of ours */
	read_line(payload, length);
	memset(payload + length, 0, length < 12 ? 13 - length : 1);
	say(TAKEN, number, "", 0);
	switch (le32toh(header.kind)) {
	case RUN:
		run(number, payload, length);
		break;
	case WRITE:
		write_file(number, payload, length);
		break;
	case COPY:
		copy_file(number, payload);
		break;
	case RESET:
		reset(number);
		break;
	case KILL:
		if (find(number))
			kill(-find(number)->pid, SIGKILL);
		break;
	}
}

/* Opens the line; its device may come later than the agent. */
static void open_line(const char *path)
{
	struct termios raw;

	for (int waited = 0; (line = open(path, O_RDWR | O_NOCTTY | O_CLOEXEC)) < 0; waited += 10) {
		if (waited >= LINE_TIMEOUT_MS) {
			printf("scanout: the agent cannot open %s: %s\n", path, strerror(errno));
			exit(1);
		}
		usleep(10000);
	}
	tcgetattr(line, &raw);
	cfmakeraw(&raw);
	cfsetspeed(&raw, B115200);
	tcsetattr(line, TCSANOW, &raw);
}

int main(int count, char **arguments)
{
	struct pollfd ready[2 + 2 * COMMANDS] = { 0 };
	sigset_t children;

	open_line(count > 1 ? arguments[1] : "/dev/ttyS0");
	sigemptyset(&children);
	sigaddset(&children, SIGCHLD);
	sigprocmask(SIG_BLOCK, &children, NULL);
	int ended = signalfd(-1, &children, SFD_CLOEXEC | SFD_NONBLOCK);

	last_of_system = last_process();
	say(READY, 0, "", 0);
	for (;;) {
		ready[0] = (struct pollfd){ .fd = line, .events = POLLIN };
		ready[1] = (struct pollfd){ .fd = ended, .events = POLLIN };
		for (int i = 0; i < 2 * COMMANDS; i++)
			ready[2 + i] = (struct pollfd){ .fd = commands[i / 2].pid ? commands[i / 2].pipes[i % 2] : -1,
							.events = POLLIN };
		if (poll(ready, sizeof(ready) / sizeof(*ready), -1) < 0)
			continue;
		for (int i = 0; i < 2 * COMMANDS; i++)
			if (ready[2 + i].revents)
				pass_on(&commands[i / 2], i % 2, 0);
		if (ready[1].revents) {
			struct signalfd_siginfo unused;

			while (read(ended, &unused, sizeof(unused)) > 0)
				;
			reap();
		}
		if (ready[0].revents)
			obey();
	}
}
