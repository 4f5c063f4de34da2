/* Levels 33 to 48 of test_deep. */
#include "deep.h"

LEVEL(33, level_34)
LEVEL(34, level_35)
LEVEL(35, level_36)
LEVEL(36, level_37)
LEVEL(37, level_38)
LEVEL(38, level_39)
LEVEL(39, level_40)
LEVEL(40, level_41)
LEVEL(41, level_42)
LEVEL(42, level_43)
LEVEL(43, level_44)
LEVEL(44, level_45)
LEVEL(45, level_46)
LEVEL(46, level_47)
LEVEL(47, level_48)
LEVEL(48, level_49)
