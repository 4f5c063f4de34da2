"""Real shells that complete a command line: what they offer at its end, as a list of words.

    shell = shells.Bash(file, path)             the completion's file, and PATH
    shell.offers("forktrace --kernel=")         ["auto", "guest", "live", "none"]
    shell.close()

bash and zsh run on a terminal of their own, are given the line as it would be typed, and asked to insert all that they
offer; the line is then made a printf(1) that writes its words to a file. fish tells by itself. What is offered may begin
with the part of the word that is typed already."""

import contextlib
import os
import pathlib
import pty
import shutil
import subprocess
import tempfile
import threading

import support

BASH_COMPLETION = pathlib.Path("/usr/share/bash-completion/bash_completion")


class Typed:
    """A shell on a terminal."""

    insert_all = None  # the keys that insert all that is offered
    command = None

    def __init__(self, path):
        self.path = path
        self.directory = tempfile.TemporaryDirectory(prefix="forktrace-test.")
        self.home = pathlib.Path(self.directory.name)
        self.answers = 0
        self.screen = b""

    def start(self, environment):
        self.master, slave = pty.openpty()
        self.process = subprocess.Popen(self.command, stdin=slave, stdout=slave, stderr=slave, cwd=self.home,
                                        start_new_session=True, env=support.environment(
                                            HOME=self.directory.name, PATH=self.path, TERM="dumb", COLUMNS="2000",
                                            **environment),
                                        preexec_fn=support.die_with_tests)
        os.close(slave)
        self.reader = threading.Thread(target=self.read)
        self.reader.start()

    def read(self):
        with contextlib.suppress(OSError):
            while data := os.read(self.master, 65536):
                self.screen += data

    def close(self):
        support.kill_session(self.process)
        self.reader.join()
        os.close(self.master)
        self.directory.cleanup()

    def type(self, text):
        os.write(self.master, text.encode())

    def words(self, keys):
        """The words of the line that these keys make."""
        self.answers += 1
        answer = self.home / f"answer{self.answers}"
        self.type(f"{keys}\x05 >{answer}.new; mv {answer}.new {answer}\x01printf '%s\\0' \r")
        try:
            support.wait_until(answer.exists, "the shell has answered")
        except AssertionError as error:
            raise AssertionError(f"{error}: {self.screen.decode(errors='replace')}") from None
        return [word.decode() for word in answer.read_bytes().split(b"\0")[:-1]]

    def offers(self, line):
        before = self.words(f"{line}\"\"" if line.endswith(" ") else line)
        after = self.words(line + self.insert_all)
        kept = before[:-1]
        assert after[:len(kept)] == kept, (before, after)
        offered = after[len(kept):]
        return [] if offered == before[-1:] else sorted(self.whole(before[-1], offered))

    @staticmethod
    def whole(typed, offered):
        return offered


class Bash(Typed):
    insert_all = "\x1b*"
    command = ["bash", "--norc", "--noprofile", "-i"]

    def __init__(self, file, path):
        super().__init__(path)
        self.start({"PS1": "$ ", "INPUTRC": "/dev/null"})
        self.type(f"set +o history; bind 'set bell-style none'; . {BASH_COMPLETION}; . {file}\r")

    @staticmethod
    def whole(typed, offered):
        """The first word still has what stands in front of the part that readline completes."""
        head = typed[:max(typed.rfind(":"), typed.rfind("=")) + 1]
        return [word[len(head):] if not place else word for place, word in enumerate(offered)]


class Zsh(Typed):
    insert_all = "\x18a"
    command = ["zsh", "-f", "-i", "-o", "NO_PROMPT_CR", "-o", "NO_PROMPT_SP"]

    def __init__(self, file, path):
        super().__init__(path)
        self.start({})
        directory = pathlib.Path(file).parent
        self.type(f"PS1='$ '; fpath=({directory} $fpath); autoload -U compinit; compinit -u -d dump; "
                  "zle -C all-matches complete-word _generic; bindkey -e; bindkey '^Xa' all-matches; "
                  "zstyle ':completion:all-matches::::' completer _all_matches _complete; "
                  "zstyle ':completion:all-matches:*' insert true\r")


class Fish:
    def __init__(self, file, path):
        self.file = file
        self.path = path

    def close(self):
        pass

    def offers(self, line):
        script = 'source $argv[1]; complete -C $argv[2]'
        with tempfile.TemporaryDirectory(prefix="forktrace-test.") as home:
            status, stdout, stderr = support.run_command(
                ["fish", "--no-config", "-c", script, str(self.file), line],
                env=support.environment(HOME=home, PATH=self.path))
        assert status == 0 and not stderr, stderr.decode()
        return sorted(text.partition("\t")[0] for text in stdout.decode().splitlines())


def present():
    """The shells that are installed."""
    found = set()
    if shutil.which("bash") and BASH_COMPLETION.exists():
        found.add(Bash)
    if shutil.which("zsh"):
        found.add(Zsh)
    if shutil.which("fish"):
        found.add(Fish)
    return found
