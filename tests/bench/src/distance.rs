//! A network between a client and the engine. In one process, requests are limited by its processor; over a
//! network, by their number at the same time and how long each takes.

use std::time::Duration;

use shared_aws::clients::Aws;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
};

/// The time of a batch at DynamoDB, measured from a function in its region, is between 10 and 30 ms.
pub(crate) const DISTANCE: Duration = Duration::from_millis(20);

/// Returns AWS at a distance: each response comes later.
pub(crate) async fn at_a_distance(endpoint: &str) -> Aws {
    let server = endpoint.trim_start_matches("http://").to_owned();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move {
        while let Ok((client, _)) = listener.accept().await {
            let server = TcpStream::connect(&server).await.unwrap();
            tokio::spawn(pass(client, server));
        }
    });
    Aws::loopback(&url)
}

/// Passes bytes until one side closes. A response is late once, however many parts it has.
async fn pass(mut client: TcpStream, mut server: TcpStream) {
    let (mut request, mut response) = (vec![0; 64 * 1024], vec![0; 64 * 1024]);
    client.set_nodelay(true).unwrap();
    server.set_nodelay(true).unwrap();
    let mut waits = false;
    loop {
        let passed = tokio::select! {
            read = client.read(&mut request) => {
                waits = true;
                match read {
                    Ok(0) | Err(_) => return,
                    Ok(bytes) => server.write_all(&request[..bytes]).await,
                }
            }
            read = server.read(&mut response) => {
                if std::mem::take(&mut waits) {
                    tokio::time::sleep(DISTANCE).await;
                }
                match read {
                    Ok(0) | Err(_) => return,
                    Ok(bytes) => client.write_all(&response[..bytes]).await,
                }
            }
        };
        if passed.is_err() {
            return;
        }
    }
}
