/*
 * kms: as much of the kernel's mode setting interface as one full-screen picture needs, by its ioctls
 * alone. Legacy mode setting, not atomic: one mode set and one flip an image need no properties, and
 * every driver since 2012 takes them; virtio-gpu runs both through the same atomic code.
 *
 * A function that fails prints one line and ends the program.
 */
#ifndef KMS_H
#define KMS_H

#include <stddef.h>
#include <stdint.h>
#include <drm.h>
#include <drm_mode.h>

struct output {
	int fd; /* the card's */
	uint32_t connector, crtc;
	struct drm_mode_modeinfo mode; /* the preferred one */
};

/* A dumb buffer, mapped, 32 bits a pixel, and its framebuffer on a card. */
struct buffer {
	uint32_t *pixels;
	uint32_t stride; /* bytes */
	uint32_t width, height;
	uint32_t framebuffer;
	uint32_t handle; /* on the device that it was allocated on */
	uint64_t size;   /* bytes */
};

/* The card whose driver has this name; or, with `except`, the first one with another. -1: none. */
int kms_open_card(const char *driver, int except, char name[32]);

/* The first connected output, with a free CRTC. */
struct output kms_find_output(int card);

/*
 * What is connected now, one entry for each of the card's connectors, in their order; its crtc is 0 where nothing
 * is. Returns how many there are.
 */
int kms_find_outputs(int card, struct output *outputs, int most);

/*
 * A buffer of the output's size. It is allocated on `allocator`; when that is another device than the
 * output's card, it is exported from there and imported by PRIME, so no pixel is ever copied.
 */
struct buffer kms_create_buffer(const struct output *output, int allocator);

/* Gives a buffer of the output's card back; one without pixels is none. */
void kms_destroy_buffer(const struct output *output, struct buffer *buffer);

/* Shows a buffer: the mode set. */
void kms_set_mode(const struct output *output, const struct buffer *buffer);

/* Shows nothing any more. */
void kms_turn_off(const struct output *output);

/* Asks for a flip, and waits until it is done. Returns 0 when a signal ended the wait. */
int kms_flip(const struct output *output, const struct buffer *buffer);

/* ioctl, again when a signal interrupts it; ends the program with one line when it fails. */
void kms_ioctl(int fd, unsigned long request, void *argument, const char *what);

__attribute__((noreturn, format(printf, 1, 2))) void die(const char *format, ...);

#endif
