/* What every cmocka test program needs, in the order that cmocka asks for. */
#ifndef EGALIGN_TEST_H
#define EGALIGN_TEST_H
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#endif
