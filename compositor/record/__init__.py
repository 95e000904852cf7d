"""Record what guests sent to their devices, and feed it to real devices again.

    guest -> GpuDevice -> compositor -> frames          file -> ReplayedGuest -> GpuDevice -> compositor
                 |  tap                   |                          the same rings, device and compositor
                 +------> Recorder <------+ frames

A recording holds causes and the moments of their effects: every command as it came, the bytes of guest
memory that it made visible, and when each frame was presented. So a replay computes every picture anew,
in the real device and compositor, but does not guess when: it repaints at the recorded moments. That is why
it needs none of the clocks, fences or processes of the run that was recorded, and why it is equal also
where that run was on the real clock.

What is equal in a replay on the virtual clock, whatever clock it was recorded on: the frames, their
numbers, their present times in nanoseconds and their pixels, and so the digest. Each frame's checksum is
in the file and is compared. What is not: what it cost to get at the pixels (memory that was scattered in
the guest is in one piece in the replay, so nothing is gathered), waits for fences, missed vblanks.

One thing cannot be recorded exactly: a guest that paints over a buffer while the host reads it. Frame and
recording may then see two different moments of it, and the replay says which frame differs.

`container` is the file's outer form, `records` its content, `changes` finds what changed in a guest's
memory, `recorder` writes, `recording` reads, and `compositor.machine.replay` replays.
"""
