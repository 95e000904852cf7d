/*
 * hotplug: shows colour bars on every monitor, in its preferred mode, and follows: a monitor that comes, goes or
 * changes is noticed by the kernel's uevent, as a desktop notices it.
 *
 *   hotplug                      until killed
 *
 * The picture is that of bars.c. Every change is a line: "hotplug: connector 33: 800x600 is up".
 */
#include "bars.h"
#include "kms.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include <linux/netlink.h>

#define MAX_SHOWN 32

/* What a connector shows now. */
struct shown {
	struct output output;
	struct buffer buffer; /* no pixels: nothing */
};

/* The kernel's announcements of what happens to devices. */
static int open_uevents(void)
{
	struct sockaddr_nl address = { .nl_family = AF_NETLINK, .nl_groups = 1 };
	int fd = socket(AF_NETLINK, SOCK_DGRAM | SOCK_CLOEXEC, NETLINK_KOBJECT_UEVENT);

	if (fd < 0 || bind(fd, (struct sockaddr *)&address, sizeof(address)))
		die("listening to uevents: %s", strerror(errno));
	return fd;
}

/* Waits until a DRM device says that its connectors have changed. */
static void wait_for_hotplug(int uevents)
{
	char event[4096];

	for (;;) {
		ssize_t length = recv(uevents, event, sizeof(event) - 1, 0);

		if (length < 0 && errno == ENOBUFS)
			return; /* some were lost: better look */
		if (length < 0 && errno != EINTR)
			die("listening to uevents: %s", strerror(errno));
		event[length < 0 ? 0 : length] = 0;
		/* Strings one after the other: ACTION@DEVPATH, then KEY=VALUE. */
		for (ssize_t at = 0; at < length; at += strlen(event + at) + 1)
			if (!strcmp(event + at, "HOTPLUG=1"))
				return;
	}
}

static void show(struct shown *shown, const struct output *output)
{
	struct buffer old = shown->buffer;

	shown->output = *output;
	shown->buffer = kms_create_buffer(output, output->fd);
	draw_bars(&shown->buffer);
	kms_set_mode(output, &shown->buffer);
	kms_destroy_buffer(output, &old);
	printf("hotplug: connector %u: %ux%u is up\n", output->connector, shown->buffer.width, shown->buffer.height);
}

static void hide(struct shown *shown)
{
	kms_turn_off(&shown->output);
	kms_destroy_buffer(&shown->output, &shown->buffer);
	printf("hotplug: connector %u: gone\n", shown->output.connector);
}

/* Brings what is shown in line with what is connected. */
static void follow(int card, struct shown shown[MAX_SHOWN])
{
	struct output outputs[MAX_SHOWN];
	int count = kms_find_outputs(card, outputs, MAX_SHOWN);

	for (int i = 0; i < count; i++) {
		struct output *output = &outputs[i];
		const struct drm_mode_modeinfo *mode = &shown[i].output.mode;

		if (!output->crtc && shown[i].buffer.pixels)
			hide(&shown[i]);
		else if (output->crtc && (!shown[i].buffer.pixels || memcmp(mode, &output->mode, sizeof(*mode))))
			show(&shown[i], output);
	}
	fflush(stdout);
}

int main(void)
{
	struct shown shown[MAX_SHOWN] = { 0 };
	char name[32];
	int uevents = open_uevents(); /* before the first look, so that nothing is missed in between */
	int card = kms_open_card("virtio_gpu", 0, name);

	if (card < 0)
		die("no virtio-gpu card in /dev/dri");
	for (;;) {
		follow(card, shown);
		wait_for_hotplug(uevents);
	}
}
