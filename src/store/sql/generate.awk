# Turns SQL files into C, so that the program carries them: one initialiser a statement,
#     {"name", "text", length of the text},
# awk -f generate.awk FILE...              the initialisers of an array
# awk -v names=1 -f generate.awk FILE...   a line `X(name)` a statement, for enum lists
# A file is one statement of its name. With a line `-- as NAME: ...` it is a second one too, without the lines that end
# in `-- not in NAME`.
function emit(name, omit,    i, bytes) {
    if (names) {
        printf "X(%s)\n", name
        return
    }
    printf "{\"%s\",\n", name
    for (i = 1; i <= count; i++) {
        if (omit != "" && lines[i] ~ omit) continue
        bytes += length(lines[i]) + 1
        text = lines[i]
        gsub(/\\/, "&&", text)
        gsub(/"/, "\\\"", text)
        printf "    \"%s\\n\"\n", text
    }
    printf ", %d},\n", bytes
}
function finish() {
    if (count == 0) return
    emit(name, "")
    if (other != "") emit(other, "-- not in " other "$")
}
FNR == 1 {
    finish()
    name = FILENAME
    sub(/.*\//, "", name)
    sub(/\.sql$/, "", name)
    count = 0
    other = ""
}
/^-- as [a-z_]+:/ {
    other = $3
    sub(/:.*/, "", other)
}
{ lines[++count] = $0 }
END { finish() }
