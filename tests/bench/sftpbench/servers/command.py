"""Any server that one command starts in the foreground; text in braces is substituted."""
import shlex

from .base import Server, free_port, output_of


class Command(Server):
    password_hash = "see its configuration"

    def __init__(self, name, env, template, setup=None, after=None):
        super().__init__(name, env)
        self.version = self.template = template
        self.setup, self.after = setup, after

    def prepare(self):
        if self.setup:
            self.port, self.http_port = free_port(), free_port()
            output_of(self._fill(self.setup), cwd=self.conf)

    def commands(self):
        return [self._fill(self.template)]

    def after_start(self):
        if self.after:
            output_of(self._fill(self.after), cwd=self.conf)

    def _fill(self, template):
        values = {"listen": self.listen, "port": self.port, "http_port": self.http_port,
                  "home": self.home, "user": self.user, "password": self.env.password,
                  "pubkey": self.env.public_key, "pubkey_file": self.env.key + ".pub",
                  "config_dir": self.conf, "host_key": self.env.host_key}
        words = []
        for word in shlex.split(template):  # before the values, which may hold blanks
            for name, value in values.items():
                word = word.replace("{" + name + "}", str(value))
            words.append(word)
        return words
