//! Records the requests of a handler and replays them without it, so a handler is compared with exactly its
//! own requests.

use std::sync::{Arc, Mutex};

use aws_sdk_dynamodb::{
    Client,
    config::{ConfigBag, Intercept, interceptors::BeforeSerializationInterceptorContextRef},
    error::BoxError,
    operation::{
        batch_get_item::BatchGetItemInput, get_item::GetItemInput, put_item::PutItemInput, query::QueryInput,
        update_item::UpdateItemInput,
    },
};

/// A recorded request.
#[derive(Debug, Clone)]
pub(crate) enum RecordedRequest {
    Get(GetItemInput),
    BatchGet(BatchGetItemInput),
    Query(QueryInput),
    Put(PutItemInput),
    Update(UpdateItemInput),
}

/// The requests since the last call of `take`.
#[derive(Debug, Clone, Default)]
pub(crate) struct RequestRecorder(Arc<Mutex<Vec<RecordedRequest>>>);

impl RequestRecorder {
    pub(crate) fn take(&self) -> Vec<RecordedRequest> {
        std::mem::take(&mut self.0.lock().unwrap())
    }
}

impl Intercept for RequestRecorder {
    fn name(&self) -> &'static str {
        "request recorder"
    }

    fn read_before_execution(
        &self,
        context: &BeforeSerializationInterceptorContextRef<'_>,
        _: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        let input = context.input();
        let call = (input.downcast_ref().cloned().map(RecordedRequest::Get))
            .or_else(|| input.downcast_ref().cloned().map(RecordedRequest::BatchGet))
            .or_else(|| input.downcast_ref().cloned().map(RecordedRequest::Query))
            .or_else(|| input.downcast_ref().cloned().map(RecordedRequest::Put))
            .or_else(|| input.downcast_ref().cloned().map(RecordedRequest::Update));
        self.0.lock().unwrap().push(call.expect("a request that can be replayed"));
        Ok(())
    }
}

impl RecordedRequest {
    pub(crate) fn is_write(&self) -> bool {
        matches!(self, Self::Put(_) | Self::Update(_))
    }

    /// Replays the request. The table must be in the same state as when it was recorded.
    pub(crate) async fn send(self, client: &Client) {
        match self {
            Self::Get(get) => {
                let request = client.get_item().set_table_name(get.table_name).set_key(get.key);
                request.set_consistent_read(get.consistent_read).send().await.unwrap();
            }
            Self::BatchGet(get) => {
                client.batch_get_item().set_request_items(get.request_items).send().await.unwrap();
            }
            Self::Query(query) => {
                let request = client
                    .query()
                    .set_table_name(query.table_name)
                    .set_index_name(query.index_name)
                    .set_key_condition_expression(query.key_condition_expression)
                    .set_expression_attribute_values(query.expression_attribute_values)
                    .set_scan_index_forward(query.scan_index_forward)
                    .set_limit(query.limit);
                request.send().await.unwrap();
            }
            Self::Put(put) => {
                let request = client
                    .put_item()
                    .set_table_name(put.table_name)
                    .set_item(put.item)
                    .set_condition_expression(put.condition_expression)
                    .set_return_values_on_condition_check_failure(
                        put.return_values_on_condition_check_failure,
                    );
                request.send().await.unwrap();
            }
            Self::Update(update) => {
                let request = client
                    .update_item()
                    .set_table_name(update.table_name)
                    .set_key(update.key)
                    .set_update_expression(update.update_expression)
                    .set_condition_expression(update.condition_expression)
                    .set_expression_attribute_names(update.expression_attribute_names)
                    .set_expression_attribute_values(update.expression_attribute_values)
                    .set_return_values(update.return_values)
                    .set_return_values_on_condition_check_failure(
                        update.return_values_on_condition_check_failure,
                    );
                request.send().await.unwrap();
            }
        }
    }
}
