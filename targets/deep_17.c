/* Levels 17 to 32 of test_deep. */
#include "deep.h"

LEVEL(17, level_18)
LEVEL(18, level_19)
LEVEL(19, level_20)
LEVEL(20, level_21)
LEVEL(21, level_22)
LEVEL(22, level_23)
LEVEL(23, level_24)
LEVEL(24, level_25)
LEVEL(25, level_26)
LEVEL(26, level_27)
LEVEL(27, level_28)
LEVEL(28, level_29)
LEVEL(29, level_30)
LEVEL(30, level_31)
LEVEL(31, level_32)
LEVEL(32, level_33)
