#include "base/clock.h"

#include <errno.h>
#include <stdio.h>
#include <time.h>

int64_t clock_mono_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

int64_t clock_wall_us(void)
{
    struct timespec t;
    clock_gettime(CLOCK_REALTIME, &t);
    return (int64_t)t.tv_sec * 1000000 + t.tv_nsec / 1000;
}

void clock_sleep_ns(int64_t ns)
{
    struct timespec left = {.tv_sec = ns / 1000000000, .tv_nsec = ns % 1000000000};
    while (nanosleep(&left, &left) < 0 && errno == EINTR)
        ;
}

char *clock_rfc3339(int64_t wall_us, char *text)
{
    int64_t below = (wall_us % 1000000 + 1000000) % 1000000; /* rounded down before 1970 too */
    time_t seconds = (time_t)((wall_us - below) / 1000000);
    struct tm tm;
    gmtime_r(&seconds, &tm);
    size_t n = strftime(text, CLOCK_RFC3339_SIZE, "%Y-%m-%dT%H:%M:%S", &tm);
    snprintf(text + n, CLOCK_RFC3339_SIZE - n, ".%06dZ", (int)below);
    return text;
}

/* Days from 1970-01-01 to a date of the Gregorian calendar (H. Hinnant, "chrono-compatible low-level date algorithms"):
 * years begin in March, so that the leap day is the last of its year. */
static int64_t days_of(int year, int month, int day)
{
    int64_t y = month <= 2 ? year - 1 : year;
    int64_t era = (y >= 0 ? y : y - 399) / 400, year_of_era = y - era * 400;
    int64_t day_of_year = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1;
    return era * 146097 + year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year - 719468;
}

static int days_in_month(int year, int month)
{
    static const int days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    bool leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
    return month == 2 && leap ? 29 : days[month - 1];
}

/* Takes `digits` digits off the front of *text, a number within least .. most, then the byte `after` unless it is 0. */
static bool take_number(struct str *text, size_t digits, int least, int most, char after, int *ret)
{
    size_t need = digits + (after ? 1 : 0);
    if (text->len < need || (after && text->ptr[digits] != after))
        return false;
    *ret = 0;
    for (size_t i = 0; i < digits; i++) {
        if (text->ptr[i] < '0' || text->ptr[i] > '9')
            return false;
        *ret = *ret * 10 + (text->ptr[i] - '0');
    }
    *text = (struct str){text->ptr + need, text->len - need};
    return *ret >= least && *ret <= most;
}

/* Takes ".123" off the front, if it is there. */
static bool take_fraction(struct str *text, int64_t *ret_us)
{
    *ret_us = 0;
    if (text->len == 0 || text->ptr[0] != '.')
        return true;
    size_t i = 1;
    int64_t unit = 100000;
    for (; i < text->len && text->ptr[i] >= '0' && text->ptr[i] <= '9'; i++, unit /= 10)
        *ret_us += (text->ptr[i] - '0') * unit;
    *text = (struct str){text->ptr + i, text->len - i};
    return i > 1;
}

/* The zone fills the rest: Z, or hours and minutes ahead of UTC. */
static bool take_zone(struct str text, int64_t *ret_seconds)
{
    *ret_seconds = 0;
    if (text.len == 1)
        return text.ptr[0] == 'Z' || text.ptr[0] == 'z';
    if (text.len != 6 || (text.ptr[0] != '+' && text.ptr[0] != '-'))
        return false;
    int sign = text.ptr[0] == '-' ? -1 : 1, hours, minutes;
    text = (struct str){text.ptr + 1, text.len - 1};
    if (!take_number(&text, 2, 0, 23, ':', &hours) || !take_number(&text, 2, 0, 59, 0, &minutes))
        return false;
    *ret_seconds = sign * (hours * 3600 + minutes * 60);
    return true;
}

bool clock_parse_rfc3339(struct str text, int64_t *ret_wall_us)
{
    int year, month, day, hour, minute, second;
    int64_t fraction, zone;
    if (!take_number(&text, 4, 1970, 9998, '-', &year) || !take_number(&text, 2, 1, 12, '-', &month) ||
        !take_number(&text, 2, 1, days_in_month(year, month), 0, &day))
        return false;
    if (text.len == 0 || !(text.ptr[0] == 'T' || text.ptr[0] == 't' || text.ptr[0] == ' '))
        return false;
    text = (struct str){text.ptr + 1, text.len - 1};
    if (!take_number(&text, 2, 0, 23, ':', &hour) || !take_number(&text, 2, 0, 59, ':', &minute) ||
        !take_number(&text, 2, 0, 59, 0, &second) || !take_fraction(&text, &fraction) || !take_zone(text, &zone))
        return false;
    int64_t seconds = days_of(year, month, day) * 86400 + hour * 3600 + minute * 60 + second - zone;
    *ret_wall_us = seconds * 1000000 + fraction;
    return true;
}
