"""Plays systemd's part for one service: readiness, the file descriptor store (sd_notify(3), sd_listen_fds(3)) and restarts.

service-manager.py STORE WATCHDOG PAUSE COMMAND...: runs the command with FileDescriptorStoreMax=STORE, WatchdogSec=WATCHDOG (0: none) and
RestartSec=PAUSE. SIGHUP restarts it as `systemctl restart` does, SIGTERM stops it. A command that a signal or an error ends is started again
(Restart=on-failure), and one that gives no sign of life in time is killed. Each message and event is a line on standard
output; the command has standard error. Arguments after "--next" replace those of the command from its second start on.
"""
import array, fcntl, os, select, signal, socket, sys, time

FIRST, ABOVE = 3, 200
most, watchdog, pause = int(sys.argv[1]), float(sys.argv[2]), float(sys.argv[3])
arguments = sys.argv[4:]
following = arguments
if "--next" in arguments:
    at = arguments.index("--next")
    arguments, following = arguments[:at], arguments[:1] + arguments[at + 1:]

notify = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
notify.bind("")  # an abstract name that the kernel chooses
notify.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 20)
path = "@" + notify.getsockname()[1:].decode()
store = []  # of (name, descriptor)
sign_of_life = None  # time of the last one; None: the command is not ready yet


def say(text):
    print("%.3f %s" % (time.time(), text), flush=True)


def receive():
    global sign_of_life
    text, ancillary, _, _ = notify.recvmsg(4096, socket.CMSG_SPACE(4 * 16))
    passed = array.array("i")
    for _, kind, data in ancillary:
        if kind == socket.SCM_RIGHTS:
            passed.frombytes(data)
    lines = dict(line.split("=", 1) for line in text.decode().split("\n") if "=" in line)
    name = lines.get("FDNAME", "stored")
    if "WATCHDOG" in lines or "READY" in lines:
        sign_of_life = time.monotonic()
    if "FDSTORE" in lines:
        for fd in passed:
            if len(store) < most:
                store.append((name, fcntl.fcntl(fd, fcntl.F_DUPFD_CLOEXEC, ABOVE)))
    if "FDSTOREREMOVE" in lines:
        for entry in [entry for entry in store if entry[0] == name]:
            os.close(entry[1])
            store.remove(entry)
    for fd in passed:  # a barrier ends, too, when its descriptor is closed
        os.close(fd)
    say(text.decode().replace("\n", " "))


def start(command):
    pid = os.fork()
    if pid != 0:
        say("started %d with %s" % (pid, ",".join(name for name, _ in store) or "nothing"))
        return pid
    signal.pthread_sigmask(signal.SIG_UNBLOCK, WATCHED)
    for i, (_, fd) in enumerate(store):
        os.dup2(fd, FIRST + i, inheritable=True)
    environment = dict(os.environ, NOTIFY_SOCKET=path)
    if watchdog:
        environment.update(WATCHDOG_USEC=str(int(watchdog * 1e6)), WATCHDOG_PID=str(os.getpid()))
    if store:
        environment.update(
            LISTEN_PID=str(os.getpid()),
            LISTEN_FDS=str(len(store)),
            LISTEN_FDNAMES=":".join(name for name, _ in store),
        )
    os.execvpe(command[0], command, environment)


WATCHED = {signal.SIGHUP, signal.SIGTERM, signal.SIGCHLD}
signal.pthread_sigmask(signal.SIG_BLOCK, WATCHED)
reader, writer = os.pipe()
for fd in (reader, writer):
    os.set_blocking(fd, False)
signal.set_wakeup_fd(writer)
for number in WATCHED:
    signal.signal(number, lambda *_: None)
signal.pthread_sigmask(signal.SIG_UNBLOCK, WATCHED)


def time_left():
    """Until the watchdog kills the command; None without a watchdog."""
    if not watchdog or sign_of_life is None:
        return None
    return max(0, sign_of_life + watchdog - time.monotonic())


child, wanted = start(arguments), "running"
while True:
    ready, _, _ = select.select([notify, reader], [], [], time_left())
    if not ready:
        say("watchdog kills %d" % child)
        os.kill(child, signal.SIGABRT)
        os.kill(child, signal.SIGCONT)  # a stopped process gets no other signal before
        sign_of_life = None
    if notify in ready:
        receive()
    if reader not in ready:
        continue
    for number in os.read(reader, 64):
        if number != signal.SIGCHLD:
            wanted = "stopped" if number == signal.SIGTERM else "restarted"
            os.kill(child, signal.SIGTERM)
            continue
        pid, status = os.waitpid(child, os.WNOHANG)
        if pid == 0:
            continue
        while select.select([notify], [], [], 0)[0]:
            receive()
        code = os.waitstatus_to_exitcode(status)
        say("ended %d with %d" % (pid, code))
        sign_of_life = None
        if wanted == "stopped" or (wanted == "running" and code == 0):
            sys.exit(0)
        if wanted == "running":
            time.sleep(pause)
        child, wanted = start(following), "running"
