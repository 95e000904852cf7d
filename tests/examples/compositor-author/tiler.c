/*
 * tiler: a compositor of tiles: one master on the left, a stack of the others on the right.
 *
 *   tiler WINDOWS [FOCUSED]      1 to 9 windows; the focused one has a white border
 *
 * It sets the preferred mode of the first connected output, and shows its picture until it is killed.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>
#include <drm.h>
#include <drm_mode.h>

enum { GAP = 8, BORDER = 4, MOST = 9, ROOM = 16 };

struct canvas {
	uint32_t *pixels;
	uint32_t width, height, stride; /* stride in pixels */
};

struct screen {
	int fd;
	uint32_t connector, crtc;
	struct drm_mode_modeinfo mode;
};

static void call(int fd, unsigned long request, void *argument, const char *what)
{
	while (ioctl(fd, request, argument)) {
		if (errno == EINTR || errno == EAGAIN)
			continue;
		fprintf(stderr, "tiler: %s: %s\n", what, strerror(errno));
		exit(1);
	}
}

/* The card of the machine's monitors; the kernel may have others, vkms and vgem, whose pictures are not seen. */
static int open_card(void)
{
	for (char path[] = "/dev/dri/card0"; path[13] <= '9'; path[13]++) {
		char name[16] = "";
		struct drm_version version = { .name = name, .name_len = sizeof(name) - 1 };
		int fd = open(path, O_RDWR | O_CLOEXEC);

		if (fd >= 0 && !ioctl(fd, DRM_IOCTL_VERSION, &version) && !strcmp(name, "virtio_gpu"))
			return fd;
		if (fd >= 0)
			close(fd);
	}
	fprintf(stderr, "tiler: no virtio-gpu card in /dev/dri\n");
	exit(1);
}

/* The first connector with a monitor. The first CRTC is as good as any: nothing else runs. */
static struct screen open_screen(void)
{
	uint32_t connectors[ROOM], crtcs[ROOM];
	struct drm_mode_card_res card = {
		.connector_id_ptr = (uintptr_t)connectors, .count_connectors = ROOM,
		.crtc_id_ptr = (uintptr_t)crtcs, .count_crtcs = ROOM,
	};
	struct screen screen = { .fd = open_card() };

	call(screen.fd, DRM_IOCTL_MODE_GETRESOURCES, &card, "reading the card");
	for (uint32_t i = 0; i < card.count_connectors; i++) {
		static struct drm_mode_modeinfo modes[256];
		struct drm_mode_get_connector connector = { .connector_id = connectors[i] };

		call(screen.fd, DRM_IOCTL_MODE_GETCONNECTOR, &connector, "probing a connector");
		if (connector.connection != 1 || !connector.count_modes || connector.count_modes > 256)
			continue;
		connector.modes_ptr = (uintptr_t)modes;
		connector.count_props = connector.count_encoders = 0;
		call(screen.fd, DRM_IOCTL_MODE_GETCONNECTOR, &connector, "reading a connector");
		screen.connector = connectors[i];
		screen.crtc = crtcs[0];
		screen.mode = modes[0];
		return screen;
	}
	fprintf(stderr, "tiler: no monitor is connected\n");
	exit(1);
}

static uint32_t create_framebuffer(const struct screen *screen, struct canvas *canvas)
{
	struct drm_mode_create_dumb buffer = {
		.width = screen->mode.hdisplay, .height = screen->mode.vdisplay, .bpp = 32,
	};

	call(screen->fd, DRM_IOCTL_MODE_CREATE_DUMB, &buffer, "allocating a buffer");
	struct drm_mode_map_dumb map = { .handle = buffer.handle };
	struct drm_mode_fb_cmd framebuffer = {
		.width = buffer.width, .height = buffer.height, .pitch = buffer.pitch,
		.bpp = 32, .depth = 24, .handle = buffer.handle,
	};

	call(screen->fd, DRM_IOCTL_MODE_MAP_DUMB, &map, "mapping a buffer");
	call(screen->fd, DRM_IOCTL_MODE_ADDFB, &framebuffer, "adding a framebuffer");
	canvas->pixels = mmap(NULL, buffer.size, PROT_WRITE, MAP_SHARED, screen->fd, map.offset);
	canvas->width = buffer.width;
	canvas->height = buffer.height;
	canvas->stride = buffer.pitch / 4;
	if (canvas->pixels == MAP_FAILED) {
		perror("tiler: mapping a buffer");
		exit(1);
	}
	return framebuffer.fb_id;
}

static void fill(const struct canvas *canvas, uint32_t x, uint32_t y, uint32_t width, uint32_t height,
		 uint32_t colour)
{
	for (uint32_t row = y; row < y + height; row++)
		for (uint32_t column = x; column < x + width; column++)
			canvas->pixels[row * canvas->stride + column] = colour;
}

static void draw_window(const struct canvas *canvas, uint32_t x, uint32_t y, uint32_t width, uint32_t height,
			int number, int focused)
{
	static const uint32_t colours[MOST] = { 0x2a9d8f, 0xe9c46a, 0xf4a261, 0xe76f51, 0x457b9d,
						0x8ecae6, 0xb5838d, 0x6a994e, 0x9d4edd };

	fill(canvas, x, y, width, height, focused ? 0xffffff : 0x505860);
	fill(canvas, x + BORDER, y + BORDER, width - 2 * BORDER, height - 2 * BORDER, colours[number]);
}

static void tile(const struct canvas *canvas, int windows, int focused)
{
	uint32_t half = windows == 1 ? canvas->width - GAP : (canvas->width - GAP) / 2;
	uint32_t full = canvas->height - 2 * GAP;

	fill(canvas, 0, 0, canvas->width, canvas->height, 0x202830);
	draw_window(canvas, GAP, GAP, half - GAP, full, 0, focused == 0);
	for (int i = 1; i < windows; i++) {
		uint32_t top = GAP + (full + GAP) * (i - 1) / (windows - 1);
		uint32_t next = GAP + (full + GAP) * i / (windows - 1);

		draw_window(canvas, half + GAP, top, canvas->width - half - 2 * GAP, next - top - GAP, i, focused == i);
	}
}

int main(int argc, char **argv)
{
	int windows = argc > 1 ? atoi(argv[1]) : 0, focused = argc > 2 ? atoi(argv[2]) : 0;
	struct canvas canvas;

	if (windows < 1 || windows > MOST) {
		fprintf(stderr, "tiler: %d windows: there can be 1 to %d\n", windows, MOST);
		return 2;
	}
	struct screen screen = open_screen();
	uint32_t framebuffer = create_framebuffer(&screen, &canvas);

	tile(&canvas, windows, focused);
	struct drm_mode_crtc crtc = {
		.crtc_id = screen.crtc, .fb_id = framebuffer, .mode = screen.mode, .mode_valid = 1,
		.set_connectors_ptr = (uintptr_t)&screen.connector, .count_connectors = 1,
	};

	call(screen.fd, DRM_IOCTL_MODE_SETCRTC, &crtc, "setting the mode");
	printf("tiler: %d windows on %ux%u\n", windows, canvas.width, canvas.height);
	fflush(stdout);
	for (;;)
		pause();
}
