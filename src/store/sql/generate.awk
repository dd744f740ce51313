# Turns SQL files into C, so that the program carries them: one initialiser a file,
#     {"name", "text", length of the text},
# awk -f generate.awk FILE...           the initialisers of an array
# awk -v names=1 -f generate.awk FILE...   a line `X(name)` a file, for enum lists
function finish() {
    if (name != "" && !names) printf ", %d},\n", bytes
}
FNR == 1 {
    finish()
    name = FILENAME
    sub(/.*\//, "", name)
    sub(/\.sql$/, "", name)
    bytes = 0
    if (names) printf "X(%s)\n", name
    else printf "{\"%s\",\n", name
}
!names {
    bytes += length($0) + 1
    gsub(/\\/, "\\\\")
    gsub(/"/, "\\\"")
    printf "    \"%s\\n\"\n", $0
}
END { finish() }
