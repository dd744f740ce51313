/* config_json: the other half of checkpoint_config. Private to the checkpoint. */
#ifndef EGALIGN_CORE_LM_CONFIG_JSON_H
#define EGALIGN_CORE_LM_CONFIG_JSON_H

#include "core/lm/safetensors.h"
#include "core/lm/shape.h"

enum { CONFIG_JSON_MAX = 1 << 20 };

/* The text of a config.json for `s`, allocated by jansson (free). NULL with ERR_NO_MEMORY. */
char *config_json_compose(const struct lm_shape *s, enum safetensors_dtype stored, struct err *err);

#endif
