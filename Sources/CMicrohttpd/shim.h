#include <microhttpd.h>

// MHD_start_daemon() is variadic, which Swift cannot call. This is it with the options that Holdfast uses:
// one thread of its own that polls, a socket that already listens, and limits so that a client which hangs
// takes nothing away from the next one. Returns NULL on failure; MHD_stop_daemon() closes the socket.
static inline struct MHD_Daemon *holdfast_mhd_start(
    int listening_socket, unsigned int connection_limit, unsigned int timeout_seconds,
    MHD_AccessHandlerCallback handler, void *handler_context)
{
    return MHD_start_daemon(
        MHD_USE_POLL_INTERNAL_THREAD, 0, NULL, NULL, handler, handler_context,
        MHD_OPTION_LISTEN_SOCKET, listening_socket,
        MHD_OPTION_CONNECTION_LIMIT, connection_limit,
        MHD_OPTION_CONNECTION_TIMEOUT, timeout_seconds,
        MHD_OPTION_END);
}
