#include "cli/lab_sweep.h"

#include <stdio.h>

#include "base/json_text.h"

static void print_cell(const struct mean *m)
{
    printf("   %5.1f [%5.1f %5.1f]", 100 * m->value, 100 * m->low, 100 * m->high);
}

static void print_table(const struct ratio_row *rows)
{
    printf("True win rates against the reference, %%: mean over %d seeds [95 %% interval]\n\n", rows[0].single[0].n);
    printf("%-6s %-22s %-22s %-22s %-22s\n", "", "  single: majority", "  single: minority", "  max-min: majority",
           "  max-min: minority");
    for (int r = 0; r < RATIOS; r++) {
        const struct ratio_row *row = &rows[r];
        printf("%2d:1  ", row->ratio);
        print_cell(&row->single[0]);
        print_cell(&row->single[1]);
        print_cell(&row->maxmin[0]);
        print_cell(&row->maxmin[1]);
        printf("\n");
    }
    printf("\n%-6s %-22s %-22s %-22s %-22s\n", "", "  equal KL: majority", "  equal KL: minority", "  KL of single",
           "  KL of max-min");
    for (int r = 0; r < RATIOS; r++) {
        const struct ratio_row *row = &rows[r];
        printf("%2d:1  ", row->ratio);
        print_cell(&row->equal[0]);
        print_cell(&row->equal[1]);
        printf("   %-20.3f   %.3f\n", row->single_kl.value, row->maxmin_kl.value);
    }
    printf("\nequal KL: the single reward held to the KL of max-min; KL in nats a prompt\n");
}

static void put_mean(struct buf *out, const char *name, const struct mean *m)
{
    json_key(out, name);
    json_open(out, '{');
    json_member_real(out, "mean", m->value);
    json_member_real(out, "low", m->low);
    json_member_real(out, "high", m->high);
    json_close(out, '}');
}

static void put_policy(struct buf *out, const char *name, const struct mean rates[2], const struct mean *kl)
{
    json_key(out, name);
    json_open(out, '{');
    put_mean(out, "majority", &rates[0]);
    put_mean(out, "minority", &rates[1]);
    put_mean(out, "kl", kl);
    json_close(out, '}');
}

static void print_json(const struct ratio_row *rows)
{
    struct buf out = {0};
    json_open(&out, '{');
    json_member_int(&out, "seeds", rows[0].single[0].n);
    json_key(&out, "ratios");
    json_open(&out, '[');
    for (int r = 0; r < RATIOS; r++) {
        const struct ratio_row *row = &rows[r];
        json_open(&out, '{');
        json_member_int(&out, "ratio", row->ratio);
        json_member_int(&out, "majority", row->annotators[0]);
        json_member_int(&out, "minority", row->annotators[1]);
        put_policy(&out, "single", row->single, &row->single_kl);
        put_policy(&out, "single_at_equal_kl", row->equal, &row->maxmin_kl);
        put_policy(&out, "maxmin", row->maxmin, &row->maxmin_kl);
        json_close(&out, '}');
    }
    json_close(&out, ']');
    json_close(&out, '}');
    if (!out.failed)
        puts(out.data);
    buf_free(&out);
}

void lab_sweep_print(const struct ratio_row rows[RATIOS], bool json)
{
    if (json)
        print_json(rows);
    else
        print_table(rows);
}
