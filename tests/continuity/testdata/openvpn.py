# For each line that comes, has OpenVPN connect again, and answers "ok" or what went wrong.
import os, socket, sys

connection = socket.create_connection(("127.0.0.1", int(os.environ["MANAGEMENT"])))
management = connection.makefile("rw", newline="\n")

def say(command):
    management.write(command + "\n")
    management.flush()

def work():
    say("signal SIGUSR1")
    for line in management:
        if line.startswith(">PASSWORD:"):
            raise Exception("it asks for the PIN: " + line)
        if "TLS Error" in line or ",tls-error," in line:
            raise Exception(line)
        if "Peer Connection Initiated" in line:
            return
    raise Exception("OpenVPN has ended")

say("log on")
for line in sys.stdin:
    try:
        work()
        print("ok", flush=True)
    except Exception as error:
        print("failed:", repr(error), flush=True)
