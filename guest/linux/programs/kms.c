#include "kms.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>
#include <drm_fourcc.h>

#define MAX_CARDS 64
#define MAX_OUTPUTS 32
#define CONNECTED 1 /* connector status, drm_mode.h of the kernel's own headers */

void die(const char *format, ...)
{
	va_list arguments;

	fflush(stdout);
	fprintf(stderr, "%s: ", program_invocation_short_name);
	va_start(arguments, format);
	vfprintf(stderr, format, arguments);
	va_end(arguments);
	fputc('\n', stderr);
	exit(1);
}

static int try_ioctl(int fd, unsigned long request, void *argument)
{
	int result;

	do
		result = ioctl(fd, request, argument);
	while (result && (errno == EINTR || errno == EAGAIN));
	return result;
}

void kms_ioctl(int fd, unsigned long request, void *argument, const char *what)
{
	if (try_ioctl(fd, request, argument))
		die("%s: %s", what, strerror(errno));
}

int kms_open_card(const char *driver, int except, char name[32])
{
	for (int i = 0; i < MAX_CARDS; i++) {
		char path[32];

		snprintf(path, sizeof(path), "/dev/dri/card%d", i);
		int fd = open(path, O_RDWR | O_CLOEXEC);

		if (fd < 0)
			continue;
		struct drm_version version = { .name = name, .name_len = 31 };

		memset(name, 0, 32);
		if (!try_ioctl(fd, DRM_IOCTL_VERSION, &version) && !strcmp(name, driver) == !except)
			return fd;
		close(fd);
	}
	return -1;
}

/* All of a connector; to be given to free_connector. */
static struct drm_mode_get_connector read_connector(int card, uint32_t id)
{
	struct drm_mode_get_connector connector = { .connector_id = id };

	/* Without room for modes the call makes the driver look for what is plugged in; the second reads it. */
	kms_ioctl(card, DRM_IOCTL_MODE_GETCONNECTOR, &connector, "reading a connector");
	connector.modes_ptr = (uintptr_t)calloc(connector.count_modes + 1, sizeof(struct drm_mode_modeinfo));
	connector.encoders_ptr = (uintptr_t)calloc(connector.count_encoders + 1, sizeof(uint32_t));
	connector.count_props = 0;
	kms_ioctl(card, DRM_IOCTL_MODE_GETCONNECTOR, &connector, "reading a connector");
	return connector;
}

static void free_connector(struct drm_mode_get_connector *connector)
{
	free((void *)(uintptr_t)connector->modes_ptr);
	free((void *)(uintptr_t)connector->encoders_ptr);
}

static struct drm_mode_modeinfo preferred_mode(const struct drm_mode_get_connector *connector)
{
	const struct drm_mode_modeinfo *modes = (const void *)(uintptr_t)connector->modes_ptr;

	for (uint32_t i = 0; i < connector->count_modes; i++)
		if (modes[i].type & DRM_MODE_TYPE_PREFERRED)
			return modes[i];
	return modes[0];
}

/* The first CRTC that one of the connector's encoders can be driven by. */
static uint32_t find_crtc(int card, const struct drm_mode_get_connector *connector,
			  const struct drm_mode_card_res *resources)
{
	const uint32_t *encoders = (const void *)(uintptr_t)connector->encoders_ptr;
	const uint32_t *crtcs = (const void *)(uintptr_t)resources->crtc_id_ptr;

	for (uint32_t i = 0; i < connector->count_encoders; i++) {
		struct drm_mode_get_encoder encoder = { .encoder_id = encoders[i] };

		kms_ioctl(card, DRM_IOCTL_MODE_GETENCODER, &encoder, "reading an encoder");
		for (uint32_t crtc = 0; crtc < resources->count_crtcs; crtc++)
			if (encoder.possible_crtcs & 1u << crtc)
				return crtcs[crtc];
	}
	die("a connector without a CRTC");
}

int kms_find_outputs(int card, struct output *outputs, int most)
{
	uint32_t connectors[MAX_OUTPUTS], crtcs[MAX_OUTPUTS];
	struct drm_mode_card_res resources = {
		.connector_id_ptr = (uintptr_t)connectors, .count_connectors = MAX_OUTPUTS,
		.crtc_id_ptr = (uintptr_t)crtcs, .count_crtcs = MAX_OUTPUTS,
	};

	kms_ioctl(card, DRM_IOCTL_MODE_GETRESOURCES, &resources, "reading the card's outputs");
	if (resources.count_connectors > (uint32_t)most || resources.count_crtcs > MAX_OUTPUTS)
		die("more than %d outputs", most);
	for (uint32_t i = 0; i < resources.count_connectors; i++) {
		struct drm_mode_get_connector connector = read_connector(card, connectors[i]);

		outputs[i] = (struct output){ card, connectors[i], 0, { 0 } };
		if (connector.connection == CONNECTED && connector.count_modes) {
			outputs[i].crtc = find_crtc(card, &connector, &resources);
			outputs[i].mode = preferred_mode(&connector);
		}
		free_connector(&connector);
	}
	return resources.count_connectors;
}

struct output kms_find_output(int card)
{
	struct output outputs[MAX_OUTPUTS];
	int count = kms_find_outputs(card, outputs, MAX_OUTPUTS);

	for (int i = 0; i < count; i++)
		if (outputs[i].crtc)
			return outputs[i];
	die("no output is connected");
}

/* The handle on `card` of a buffer that another device owns. */
static uint32_t import_buffer(int card, int allocator, uint32_t handle)
{
	struct drm_prime_handle prime = { .handle = handle, .flags = DRM_RDWR | DRM_CLOEXEC };

	kms_ioctl(allocator, DRM_IOCTL_PRIME_HANDLE_TO_FD, &prime, "exporting a buffer");
	kms_ioctl(card, DRM_IOCTL_PRIME_FD_TO_HANDLE, &prime,
		  "importing a buffer (the device must offer blob resources; --dumb does without)");
	close(prime.fd);
	return prime.handle;
}

struct buffer kms_create_buffer(const struct output *output, int allocator)
{
	struct drm_mode_create_dumb dumb = {
		.width = output->mode.hdisplay, .height = output->mode.vdisplay, .bpp = 32,
	};

	kms_ioctl(allocator, DRM_IOCTL_MODE_CREATE_DUMB, &dumb, "allocating a buffer");
	struct drm_mode_map_dumb map = { .handle = dumb.handle };

	kms_ioctl(allocator, DRM_IOCTL_MODE_MAP_DUMB, &map, "mapping a buffer");
	void *pixels = mmap(NULL, dumb.size, PROT_READ | PROT_WRITE, MAP_SHARED, allocator, map.offset);

	if (pixels == MAP_FAILED)
		die("mapping a buffer: %s", strerror(errno));
	struct drm_mode_fb_cmd2 framebuffer = {
		.width = dumb.width, .height = dumb.height, .pixel_format = DRM_FORMAT_XRGB8888,
		.handles = { dumb.handle }, .pitches = { dumb.pitch },
	};

	if (allocator != output->fd)
		framebuffer.handles[0] = import_buffer(output->fd, allocator, dumb.handle);
	kms_ioctl(output->fd, DRM_IOCTL_MODE_ADDFB2, &framebuffer, "adding a framebuffer");
	return (struct buffer){ pixels,		   dumb.pitch,	dumb.width, dumb.height,
				framebuffer.fb_id, dumb.handle, dumb.size };
}

void kms_destroy_buffer(const struct output *output, struct buffer *buffer)
{
	struct drm_mode_destroy_dumb dumb = { .handle = buffer->handle };

	if (!buffer->pixels)
		return;
	kms_ioctl(output->fd, DRM_IOCTL_MODE_RMFB, &buffer->framebuffer, "removing a framebuffer");
	munmap(buffer->pixels, buffer->size);
	kms_ioctl(output->fd, DRM_IOCTL_MODE_DESTROY_DUMB, &dumb, "giving a buffer back");
	buffer->pixels = NULL;
}

void kms_set_mode(const struct output *output, const struct buffer *buffer)
{
	struct drm_mode_crtc crtc = {
		.crtc_id = output->crtc, .fb_id = buffer->framebuffer,
		.set_connectors_ptr = (uintptr_t)&output->connector, .count_connectors = 1,
		.mode = output->mode, .mode_valid = 1,
	};

	kms_ioctl(output->fd, DRM_IOCTL_MODE_SETCRTC, &crtc, "setting the mode");
}

void kms_turn_off(const struct output *output)
{
	struct drm_mode_crtc crtc = { .crtc_id = output->crtc };

	kms_ioctl(output->fd, DRM_IOCTL_MODE_SETCRTC, &crtc, "turning an output off");
}

int kms_flip(const struct output *output, const struct buffer *buffer)
{
	struct drm_mode_crtc_page_flip flip = {
		.crtc_id = output->crtc, .fb_id = buffer->framebuffer, .flags = DRM_MODE_PAGE_FLIP_EVENT,
	};
	char events[256];

	kms_ioctl(output->fd, DRM_IOCTL_MODE_PAGE_FLIP, &flip, "flipping");
	/* The only event that was asked for is this flip's. */
	if (read(output->fd, events, sizeof(events)) < (ssize_t)sizeof(struct drm_event)) {
		if (errno == EINTR)
			return 0;
		die("waiting for a flip: %s", strerror(errno));
	}
	return 1;
}
