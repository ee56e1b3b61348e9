//! The price of a broadcast.

/// What a segment costs: a setting of the stack.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SegmentPrice {
    /// Millionths of the currency.
    micros: u64,
    currency: String,
}

impl SegmentPrice {
    /// Parses an amount with up to six decimals and a currency, such as `0.0083 USD`. Returns `None` for
    /// anything else.
    pub fn parse(text: &str) -> Option<Self> {
        let (amount, currency) = text.split_once(' ')?;
        let (whole, decimals) = amount.split_once('.').unwrap_or((amount, ""));
        let digits = |text: &str| text.bytes().all(|b| b.is_ascii_digit());
        let fits = (1..=6).contains(&whole.len())
            && decimals.len() <= 6
            && digits(whole)
            && digits(decimals)
            && (decimals.is_empty() != amount.contains('.'))
            && currency.len() == 3
            && currency.bytes().all(|b| b.is_ascii_uppercase());
        let micros = fits.then(|| format!("{whole}{decimals:0<6}").parse().ok())??;
        Some(Self { micros, currency: currency.to_owned() })
    }

    /// The price of this many segments: with two decimals, or more if it is not in whole cents.
    pub fn amount(&self, segments: u64) -> String {
        let micros = u128::from(self.micros) * u128::from(segments);
        let mut amount = format!("{}.{:06}", micros / 1_000_000, micros % 1_000_000);
        while amount.ends_with('0') && amount.len() > amount.find('.').unwrap_or(0) + 3 {
            amount.pop();
        }
        amount
    }

    /// The code of the currency, such as `USD`.
    pub fn currency(&self) -> &str {
        &self.currency
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_price_is_exact() {
        let price = SegmentPrice::parse("0.0083 USD").unwrap();
        assert_eq!(price.currency(), "USD");
        for (segments, amount) in
            [(0, "0.00"), (1, "0.0083"), (100, "0.83"), (1_000, "8.30"), (100_000, "830.00")]
        {
            assert_eq!(price.amount(segments), amount, "{segments}");
        }
        assert_eq!(SegmentPrice::parse("1 EUR").unwrap().amount(3), "3.00");
        assert_eq!(SegmentPrice::parse("0.000001 USD").unwrap().amount(u64::MAX), "18446744073709.551615");
        for bad in
            ["", "1", "1 usd", "1. USD", ".5 USD", "-1 USD", "1.0000001 USD", "1,5 USD", "1 EURO", "1  USD"]
        {
            assert_eq!(SegmentPrice::parse(bad), None, "{bad:?}");
        }
    }
}
