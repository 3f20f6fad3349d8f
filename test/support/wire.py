"""A wire between two network namespaces that behaves like a real one: kernels segment packets and compute checksums before
they send to it. Arguments: namespace (name, or path), interface, namespace, interface, capture, and "tun" if packets have no Ethernet header.
Writes the packets to `capture`.0, and after each SIGUSR1 to the next file."""
import ctypes, fcntl, os, select, signal, struct, sys, time

TUNSETIFF, IFF_TUN, IFF_TAP, IFF_NO_PI, CLONE_NEWNET = 0x400454CA, 0x1, 0x2, 0x1000, 0x40000000
is_tun = sys.argv[6:] == ["tun"]
libc = ctypes.CDLL(None, use_errno=True)


def tap(namespace, name):
    with open(os.path.join("/var/run/netns", namespace)) as file:
        if libc.setns(file.fileno(), CLONE_NEWNET) != 0:
            raise OSError(ctypes.get_errno(), "setns")
    end = os.open("/dev/net/tun", os.O_RDWR | os.O_NONBLOCK)
    fcntl.ioctl(end, TUNSETIFF, struct.pack("16sH", name.encode(), (IFF_TUN if is_tun else IFF_TAP) | IFF_NO_PI))
    return end


count = 0
capture = None


def next_capture(*_):
    global capture, count
    if capture is not None:
        capture.close()
    capture = open(f"{sys.argv[5]}.{count}", "wb")
    capture.write(struct.pack("=IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 262144, 101 if is_tun else 1))
    count += 1
    print(f"capture {count - 1}", flush=True)


def end(*_):
    capture.close()
    sys.exit(0)


a, b = tap(sys.argv[1], sys.argv[2]), tap(sys.argv[3], sys.argv[4])
next_capture()
signal.signal(signal.SIGUSR1, next_capture)
signal.signal(signal.SIGTERM, end)
while True:
    for here in select.select([a, b], [], [])[0]:
        for _ in range(64):
            try:
                frame = os.read(here, 70000)
            except OSError:
                break
            now = time.time()
            header = struct.pack("=IIII", int(now), int(now % 1 * 1e6), len(frame), len(frame))
            capture.write(header + frame)
            try:
                os.write(b if here is a else a, frame)
            except OSError:
                pass  # an end that is down, or full: a wire loses it
