//! Declares the routes of a function from the `#[utoipa::path]` attributes of its handlers.

use axum::{
    Router,
    handler::Handler,
    routing::{MethodFilter, MethodRouter},
};
use utoipa::openapi::HttpMethod;

/// Declares `routes()`, the axum router of these handlers, and `Api`, their part of the OpenAPI document.
///
/// A bootstrap uses `routes()` only, so the linker drops the descriptions.
///
/// ```
/// # #[utoipa::path(get, path = "/v1/teams")]
/// # async fn list_teams() {}
/// shared_http::routes! { (): list_teams }
/// # fn main() {}
/// ```
#[macro_export]
macro_rules! routes {
    ($state:ty: $($($handler:ident)::+),+ $(,)?) => {
        /// The function's part of the OpenAPI document.
        #[derive(Debug, ::utoipa::OpenApi)]
        #[openapi(paths($($($handler)::+),+))]
        pub struct Api;

        fn routes() -> ::axum::Router<$state> {
            let router = ::axum::Router::new();
            $(
                let description = $crate::routes!(@description [] $($handler)+);
                let router = $crate::routes::with_handler(router, &description, $($handler)::+);
            )+
            router
        }
    };
    // `#[utoipa::path]` describes the handler `list` in a unit struct `__path_list` beside it.
    (@description [$($module:ident)*] $handler:ident) => {
        $crate::routes::paste! { $($module::)* [<__path_ $handler>] }
    };
    (@description [$($module:ident)*] $next:ident $($rest:ident)+) => {
        $crate::routes!(@description [$($module)* $next] $($rest)+)
    };
}

#[doc(hidden)]
pub use pastey::paste;

/// Returns the router with this handler at the methods and the path of its description.
pub fn with_handler<S, P, H, T>(router: Router<S>, _description: &P, handler: H) -> Router<S>
where
    S: Clone + Send + Sync + 'static,
    P: utoipa::Path,
    H: Handler<T, S>,
    T: 'static,
{
    let methods = P::methods().into_iter().map(filter);
    let methods = methods.fold(MethodRouter::new(), |routes, method| routes.on(method, handler.clone()));
    router.route(&P::path(), methods)
}

fn filter(method: HttpMethod) -> MethodFilter {
    match method {
        HttpMethod::Get => MethodFilter::GET,
        HttpMethod::Put => MethodFilter::PUT,
        HttpMethod::Post => MethodFilter::POST,
        HttpMethod::Delete => MethodFilter::DELETE,
        HttpMethod::Options => MethodFilter::OPTIONS,
        HttpMethod::Head => MethodFilter::HEAD,
        HttpMethod::Patch => MethodFilter::PATCH,
        HttpMethod::Trace => MethodFilter::TRACE,
    }
}
