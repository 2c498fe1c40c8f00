//! A few cards are used all the time and most hardly ever: ranks drawn by Zipf's law.

use rand::Rng;

/// Draws ranks `0..n` with weight `1 / (rank + 1)^exponent`.
#[derive(Clone, Debug)]
pub struct Zipf {
    /// Cumulative weights, the last being 1.
    cumulative: Vec<f64>,
}

impl Zipf {
    /// # Panics
    /// If there is nothing to draw from.
    #[must_use]
    pub fn new(n: usize, exponent: f64) -> Self {
        assert!(n > 0, "a draw needs at least one rank");
        let mut sum = 0.0;
        let mut cumulative: Vec<f64> = (1..=n)
            .map(|rank| {
                sum += (rank as f64).powf(-exponent);
                sum
            })
            .collect();
        cumulative.iter_mut().for_each(|c| *c /= sum);
        Self { cumulative }
    }

    pub fn draw(&self, rng: &mut impl Rng) -> usize {
        let point: f64 = rng.random();
        self.cumulative.partition_point(|c| *c < point).min(self.cumulative.len() - 1)
    }
}

#[cfg(test)]
mod tests {
    use rand::SeedableRng;

    use super::*;

    #[test]
    fn the_first_ranks_come_as_often_as_the_law_says() {
        let zipf = Zipf::new(1000, 0.99);
        let mut rng = rand::rngs::StdRng::seed_from_u64(8583);
        let mut seen = vec![0_u32; 1000];
        for _ in 0..200_000 {
            seen[zipf.draw(&mut rng)] += 1;
        }
        let weights: f64 = (1..=1000).map(|rank| f64::from(rank).powf(-0.99)).sum();
        for rank in [0, 1, 9] {
            let expected = 200_000.0 * f64::from(rank as u32 + 1).powf(-0.99) / weights;
            let ratio = f64::from(seen[rank]) / expected;
            assert!((0.9..1.1).contains(&ratio), "rank {rank}: {ratio}");
        }
        assert!(seen[0] > seen[10] && seen[10] > seen[500]);
    }

    #[test]
    fn one_card_is_always_drawn() {
        let mut rng = rand::rngs::StdRng::seed_from_u64(1);
        assert!((0..100).all(|_| Zipf::new(1, 0.99).draw(&mut rng) == 0));
    }
}
