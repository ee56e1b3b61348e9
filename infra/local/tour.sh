# The commands of the tour in README.md, for bash and zsh: `. infra/local/tour.sh` in the folder of the
# checkout.

TOUR="$PWD/infra/local/tour.py"
api() { python3 "$TOUR" api "$@"; }
carrier() { python3 "$TOUR" carrier "$@"; }
emails() { python3 "$TOUR" emails; }
show() { python3 "$TOUR" show "$@"; }
python3 "$TOUR" start
