"""The reader that the gates rest on, against functions whose shape is known."""
import source

SHAPES = r'''
#define LOOP(x) \
    for (;;) { x }
static const int table[] = {1, 2, 3};
struct point { int x, y; };
/* a comment with { braces */
int flat(void)
{
    return table[0] + '{' + "}"[0];
}
static int nested(int n) {
    for (int i = 0; i < n; i++)
        if (i > 2) {
            while (n)
                n--;
        } else if (i > 1)
            n += 2;
        else {
            do n--; while (n > 9);
        }
    switch (n) {
    case 1:
        if (n) return 2;
        break;
    default: n = n ? 1 : 2;
    }
    return n;
}
'''


def test_the_reader_finds_functions_with_their_length_and_depth():
    found = {f.name: (f.lines, f.depth) for f in source.functions(SHAPES)}
    assert found == {"flat": (4, 0), "nested": (18, 3)}


def test_comments_and_literals_are_blanked_and_lines_kept():
    text = 'a /* x\n y */ b "q{" // z\nc'
    assert source.without_comments(text).split("\n") == ["a     ", '      b ""     ', "c"]
