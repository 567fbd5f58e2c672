#include <librdkafka/rdkafka.h>

// Older versions have known faults with transactions and with compacted topics, so they are refused at build.
// LibraryVersion.check() refuses them again at run time, where another library may be found than the one
// that was built against.
#if RD_KAFKA_VERSION < 0x020800ff
#error "Holdfast needs librdkafka 2.8 or later. Install librdkafka-dev of Debian 13 or later, or put a newer librdkafka's rdkafka.pc first in PKG_CONFIG_PATH."
#endif
